// Draws the API reference from /openapi.json: no build step, no other host.
const main = document.getElementById("operations");
const about = document.getElementById("about");

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function resolve(document_, schema) {
  let resolved = schema ?? {};
  for (let hops = 0; resolved.$ref && hops < 8; hops += 1) {
    resolved = resolved.$ref.split("/").slice(1).reduce((at, name) => at[name], document_);
  }
  return resolved;
}

function kind(document_, schema) {
  const at = resolve(document_, schema);
  if (at.enum) return at.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (at.const !== undefined) return JSON.stringify(at.const);
  const either = at.anyOf ?? at.oneOf;
  if (either) return either.map((one) => kind(document_, one)).join(" | ");
  if (at.type === "array") return `${kind(document_, at.items)}[]`;
  return [at.type ?? "any"].flat().join(" | ");
}

function table(heads, rows) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}

function fields(document_, schema) {
  const at = resolve(document_, schema);
  const required = new Set(at.required ?? []);
  return Object.entries(at.properties ?? {}).map(([name, value]) => [
    element("code", {}, name),
    kind(document_, value) + (required.has(name) ? "" : " (optional)"),
    resolve(document_, value).description ?? "",
  ]);
}

function operation(document_, path, method, described) {
  const parts = [];
  if (described.description) parts.push(element("p", {}, described.description));
  const parameters = (described.parameters ?? []).map((one) => resolve(document_, one));
  if (parameters.length) {
    parts.push(element("h3", {}, "Parameters"));
    const rows = parameters.map((one) => [element("code", {}, one.name), `${one.in}, ${kind(document_, one.schema)}`, one.description ?? ""]);
    parts.push(table(["Name", "Where and type", "Meaning"], rows));
  }
  const body = described.requestBody?.content?.["application/json"]?.schema;
  const rows = body ? fields(document_, body) : [];
  if (rows.length) parts.push(element("h3", {}, "Body"), table(["Field", "Type", "Meaning"], rows));
  parts.push(element("h3", {}, "Answers"));
  parts.push(table(["Status", "Meaning"], Object.entries(described.responses ?? {}).map(([status, one]) => [status, one.description ?? ""])));
  const summary = element("summary", {}, element("span", { className: "method" }, method.toUpperCase()), " ",
    element("code", {}, path), " ", element("span", { className: "about" }, described.summary ?? ""));
  return element("details", {}, summary, element("div", { className: "body" }, ...parts));
}

function draw(document_, wanted) {
  const groups = new Map();
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const [method, described] of Object.entries(methods)) {
      const words = `${method} ${path} ${described.summary ?? ""}`.toLowerCase();
      if (!words.includes(wanted.toLowerCase())) continue;
      const tag = described.tags?.[0] ?? "other";
      groups.set(tag, [...(groups.get(tag) ?? []), operation(document_, path, method, described)]);
    }
  }
  main.replaceChildren(...[...groups].map(([tag, found]) => element("section", {}, element("h2", {}, tag), ...found)));
  if (!groups.size) main.replaceChildren(element("p", {}, "No operation matches."));
}

try {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const document_ = await answer.json();
  about.textContent = `${document_.info.description} Version ${document_.info.version}.`;
  draw(document_, "");
  document.getElementById("filter").addEventListener("input", (event) => draw(document_, event.target.value));
} catch (error) {
  about.textContent = `The API description could not be read (${error.message}).`;
}
