// Draws the API reference from /openapi.json: no build step, no other host.
const main = document.getElementById("operations");
const about = document.getElementById("about");
const count = document.getElementById("count");
const filter = document.getElementById("filter");

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// Text in which `this` is code.
function prose(text) {
  const parts = (text ?? "").split("`");
  return parts.map((part, i) => (i % 2 && i < parts.length - 1 ? element("code", {}, part) : part));
}

function resolve(description, schema) {
  let resolved = schema ?? {};
  for (let hops = 0; resolved.$ref && hops < 8; hops += 1) {
    resolved = resolved.$ref.split("/").slice(1).reduce((at, name) => at[name], description);
  }
  return resolved;
}

// What a schema takes, in words; null is left out where the field is optional anyway.
function kind(description, schema) {
  const at = resolve(description, schema);
  const either = at.anyOf ?? at.oneOf;
  if (either) return [...new Set(either.map((one) => kind(description, one)).filter(Boolean))].join(" or ");
  if (at.const !== undefined) return JSON.stringify(at.const);
  if (at.format === "binary") return "file";
  if (at.enum) return at.enum.filter((value) => value !== null).map((value) => JSON.stringify(value)).join(" or ");
  const types = [at.type ?? "anything"].flat().filter((type) => type !== "null");
  return types.map((type) => (type === "array" ? `list of ${several(kind(description, at.items))}` : type)).join(" or ");
}

function several(name) {
  return /^(string|integer|number|boolean|object|file)$/.test(name) ? `${name}s` : name;
}

function table(heads, rows) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map(([name, ...cells]) => element("tr", {},
    element("th", { scope: "row" }, element("code", {}, name)), ...cells.map((cell) => element("td", {}, ...prose(cell)))));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}

function fields(description, schema) {
  const at = resolve(description, schema);
  const required = new Set(at.required ?? []);
  return Object.entries(at.properties ?? {}).map(([name, value]) => [
    name,
    kind(description, value) + (required.has(name) ? "" : ", optional"),
    value.description ?? resolve(description, value).description ?? "",
  ]);
}

// The body by the first content type that it may have: [type, what is said of it].
function body(described) {
  return Object.entries(described.requestBody?.content ?? {})[0] ?? ["", {}];
}

function isFile(description, schema) {
  const at = resolve(description, schema);
  return at.format === "binary" || (at.anyOf ?? []).some((one) => isFile(description, one));
}

// What a form sends: the example's fields, and for each file that it needs one of the first kind that is taken.
function form(description, said) {
  const at = resolve(description, said.schema);
  const files = (at.required ?? []).filter((name) => isFile(description, at.properties[name])).map((name) => {
    const kinds = said.encoding?.[name]?.contentType ?? "application/octet-stream";
    return `${name}=@${name}.${kinds.split(",")[0].split("/")[1]}`;
  });
  return [...files, ...Object.entries(said.example ?? {}).map(([name, value]) => `${name}=${value}`)].map((field) => `-F '${field}'`);
}

// A command line that works in a shell where the key is a variable.
function command(description, path, method, described, parameters) {
  const [type, said] = body(described);
  if (method !== "get" && said.example === undefined) return null;
  const key = path.startsWith("/admin") ? "$ONEVAULT_ADMIN_KEY" : "$ONEVAULT_API_KEY";
  const given = Object.fromEntries(parameters.filter((one) => one.in === "path").map((one) => [one.name, one.example]));
  const lines = [`curl ${location.origin}${path.replace(/\{(\w+)\}/g, (whole, name) => given[name] ?? whole)}`];
  if (described.security?.length) lines.push(`-H "Authorization: Bearer ${key}"`);
  if (type === "multipart/form-data") lines.push(...form(description, said));
  else if (said.example !== undefined) lines.push(`-H "Content-Type: ${type}"`, `-d '${JSON.stringify(said.example)}'`);
  return element("pre", { tabIndex: 0 }, element("code", {}, lines.join(" \\\n  ")));
}

// What an answer is; of one that is no fault also in which content types it comes.
function answer(status, said) {
  const types = status.startsWith("2") ? Object.keys(said.content ?? {}).map((type) => `\`${type}\``).join(", ") : "";
  return [status, [said.description, types].filter(Boolean).join(" ")];
}

// A path that breaks between its steps where it is too long for a line.
function steps(path) {
  return path.split(/(?=[/:])/).flatMap((step) => [element("wbr", {}), step]);
}

function operation(description, path, method, described) {
  const parts = [];
  if (described.description) parts.push(element("p", {}, ...prose(described.description)));
  const parameters = (described.parameters ?? []).map((one) => resolve(description, one));
  const example = command(description, path, method, described, parameters);
  if (example) parts.push(example);
  if (parameters.length) {
    const rows = parameters.map((one) => [one.name, `${kind(description, one.schema)}, in the ${one.in}${one.required ? "" : ", optional"}`, one.description ?? ""]);
    parts.push(element("h3", {}, "Parameters"), table(["Name", "Type", "Meaning"], rows));
  }
  const [type, said] = body(described);
  const rows = said.schema ? fields(description, said.schema) : [];
  if (rows.length) parts.push(element("h3", {}, type === "multipart/form-data" ? "Form" : "Body"), table(["Field", "Type", "Meaning"], rows));
  const responses = Object.entries(described.responses ?? {}).map(([status, one]) => [status, resolve(description, one)]);
  parts.push(element("h3", {}, "Answers"), table(["Status", "Meaning"], responses.map(([status, one]) => answer(status, one))));
  const told = responses.find(([status]) => status === "200")?.[1].headers ?? {};
  const headers = Object.entries(told).map(([name, one]) => [name, resolve(description, one).description ?? ""]);
  if (headers.length) parts.push(element("h3", {}, "Headers of an answer"), table(["Header", "Meaning"], headers));
  const summary = element("summary", {}, element("span", { className: `method ${method}` }, method.toUpperCase()), " ",
    element("code", {}, ...steps(path)), " ", element("span", { className: "about" }, ...prose(described.summary)));
  const made = element("details", {}, summary, element("div", { className: "body" }, ...parts));
  made.dataset.words = `${method} ${path} ${described.tags?.[0] ?? ""} ${described.summary ?? ""}`.toLowerCase();
  return made;
}

function draw(description) {
  const groups = new Map();
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const [method, described] of Object.entries(methods)) {
      const tag = path.startsWith("/admin") ? `admin: ${described.tags?.[0] ?? "other"}` : described.tags?.[0] ?? "other";
      groups.set(tag, [...(groups.get(tag) ?? []), operation(description, path, method, described)]);
    }
  }
  main.replaceChildren(...[...groups].map(([tag, found]) => element("section", {}, element("h2", {}, tag), ...found)));
}

function narrow() {
  const wanted = filter.value.trim().toLowerCase().split(/\s+/);
  const all = [...main.querySelectorAll("details")];
  for (const one of all) one.hidden = !wanted.every((word) => one.dataset.words.includes(word));
  for (const section of main.children) section.hidden = !section.querySelector("details:not([hidden])");
  const shown = all.filter((one) => !one.hidden).length;
  count.textContent = shown === all.length ? `${shown} operations` : shown ? `${shown} of ${all.length} operations` : "No operation matches.";
}

try {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const description = await answer.json();
  about.replaceChildren(...prose(`${description.info.description} Version ${description.info.version}.`));
  draw(description);
  narrow();
  filter.addEventListener("input", narrow);
} catch (error) {
  about.textContent = `The API description could not be read (${error.message}).`;
}
