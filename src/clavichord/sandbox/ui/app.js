// One page over /_sandbox/. Everything that comes from the sandbox becomes a text node: nothing is ever parsed as HTML.

const main = document.getElementById("main");
const picker = document.getElementById("account");
const note = document.getElementById("note");
const PAGE = 50;
const OPERATION = /^[a-z_]+$/;
const NUMBERS = new Set(["profiles", "events", "lists", "rows", "members", "value", "status", "ms", "done", "failed", "hits", "got to", "operations", "implemented", "with a recording", "driven by a test of this process"]);
let account = "";
let drawn = 0; // number of the latest drawing: an answer that comes late must not overwrite it

/** An element: h("td", {class: "num"}, 3). Children are nodes, texts, arrays; null and false are left out. */
function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "selected") element[key] = value;
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

async function control(method, path, body) {
  const reply = await fetch(`/_sandbox/${path}`, { method, body: body === undefined ? undefined : JSON.stringify(body) });
  const answer = await reply.json();
  if (!reply.ok) throw new Error(answer.error);
  return answer;
}

const query = (given) => new URLSearchParams(Object.entries(given).filter(([, value]) => value !== "" && value !== undefined));
const read = (what, given = {}) => control("GET", `state/${what}?${query({ account, ...given })}`);

function say(text, bad = false) {
  note.textContent = text;
  note.className = bad ? "bad" : "";
  clearTimeout(say.timer);
  say.timer = setTimeout(() => (note.textContent = ""), bad ? 9000 : 3000);
}

/** A button's work: says what went wrong, draws anew. */
const does = (work, done) => async (event) => {
  event?.preventDefault();
  try {
    await work(event);
    if (done) say(done);
    await draw();
  } catch (error) {
    say(error.message, true);
  }
};

const iso = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
const short = (text) => (text ? text.slice(0, 19).replace("T", " ") : "");
const link = (hash, text) => h("a", { href: `#/${hash}` }, text);
const json = (value) => h("pre", {}, JSON.stringify(value, null, 2));
const empty = (text) => h("p", { class: "empty" }, text);
const part = (text) => encodeURIComponent(text);

function consent(state) {
  const colour = { SUBSCRIBED: "good", UNSUBSCRIBED: "bad" }[state] ?? "faint";
  return h("span", { class: `tag ${colour}` }, (state ?? "").toLowerCase().replaceAll("_", " "));
}

function table(heads, rows, nothing) {
  if (!rows.length) return empty(nothing);
  return h(
    "table",
    {},
    h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col", class: NUMBERS.has(head) && "num" }, head)))),
    h("tbody", {}, rows),
  );
}

function pager(hash, given, count) {
  const offset = Number(given.offset ?? 0);
  if (!offset && count < PAGE) return null;
  const to = (at, text) => link(`${hash}?${query({ ...given, offset: at || "" })}`, text);
  return h("p", { class: "bar" }, offset ? to(Math.max(0, offset - PAGE), "← newer") : null, count === PAGE ? to(offset + PAGE, "older →") : null);
}

// Pages. Each gets the rest of the path and the query, and gives what to show.

async function overview() {
  const [health, found] = await Promise.all([control("GET", "health"), control("GET", "state/accounts")]);
  const card = (name, value) => h("div", { class: "card" }, h("b", {}, value), name);
  const names = { profile: "profiles", event: "events", resource: "resources", task: "waiting tasks", outbox: "messages" };
  return [
    h("h1", {}, "Overview"),
    h("div", { class: "cards" },
      Object.entries(names).map(([table, name]) => card(name, health.counts[table] ?? 0)),
      card("operations implemented", `${health.implemented.length} / ${health.operations}`),
      card("limits", health.limits)),
    h("h2", {}, "Accounts"),
    table(["id", "created", "profiles", "events", "lists"],
      found.accounts.map((one) => h("tr", {},
        h("td", { class: "id" }, h("a", { href: "#/profiles", onclick: () => choose(one.id) }, one.id)),
        h("td", { class: "time" }, iso(one.created)), h("td", { class: "num" }, one.profiles),
        h("td", { class: "num" }, one.events), h("td", { class: "num" }, one.lists))),
      "No account yet: an account begins with the first request of its key."),
    h("h2", {}, "Everything"),
    h("p", { class: "bar" },
      h("button", { onclick: does(() => confirmed("Throw the whole state away?") && control("POST", "reset"), "reset") }, "Reset"),
      h("button", { onclick: does(() => control("POST", "seed", { name: "demo" }), "planted") }, "Plant the demo")),
    await snapshots(),
  ];
}

const confirmed = (question) => {
  if (!window.confirm(question)) throw new Error("left as it is");
  return true;
};

async function snapshots() {
  const { snapshots } = await control("GET", "snapshots");
  const name = h("input", { placeholder: "name", "aria-label": "Name of the snapshot", required: "", size: 14 });
  const save = does(() => control("PUT", `snapshots/${part(name.value)}`), "saved");
  return [
    h("h2", {}, "Snapshots"),
    h("form", { class: "bar", onsubmit: save }, name, h("button", {}, "Save the state")),
    table(["name", "clock", "rows", ""],
      snapshots.map((one) => h("tr", {}, h("td", {}, one.name), h("td", { class: "time" }, iso(one.at)), h("td", { class: "num" }, one.rows),
        h("td", {}, h("button", { onclick: does(() => control("POST", `snapshots/${part(one.name)}`), "restored") }, "Restore"), " ",
          h("button", { onclick: does(() => control("DELETE", `snapshots/${part(one.name)}`), "deleted") }, "Delete"), " ",
          h("a", { href: `/_sandbox/snapshots/${part(one.name)}`, download: `${one.name}.db` }, "download")))),
      "None."),
  ];
}

async function profiles(_, given) {
  const { profiles } = await read("profiles", { ...given, limit: PAGE });
  const wanted = h("input", { type: "search", placeholder: "e-mail, phone number, id …", value: given.q ?? "", "aria-label": "Search profiles" });
  const search = (event) => {
    event.preventDefault();
    location.hash = `#/profiles?${query({ q: wanted.value })}`;
  };
  return [
    h("h1", {}, given.list ? "Members of a list" : "Profiles"),
    h("form", { class: "bar", onsubmit: search }, wanted, h("button", {}, "Search")),
    table(["who", "name", "e-mail consent", "updated", "last event"],
      profiles.map((one) => h("tr", {},
        h("td", {}, link(`profile/${part(one.id)}`, one.email ?? one.phone_number ?? one.external_id ?? one.id)),
        h("td", {}, [one.first_name, one.last_name].filter(Boolean).join(" ")),
        h("td", {}, consent(one.email_consent), one.can_receive_email ? null : [" ", h("span", { class: "tag warn" }, "no e-mail")]),
        h("td", { class: "time" }, short(one.updated)), h("td", { class: "time" }, short(one.last_event_date)))),
      "No profiles."),
    pager("profiles", given, profiles.length),
  ];
}

async function profile([id]) {
  const found = await read("profile", { id, limit: 200 });
  const { location: place, properties, ...plain } = found.attributes;
  const pairs = (values) => Object.entries(values).filter(([, value]) => value !== null).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value))]);
  const channels = Object.entries(found.subscriptions).flatMap(([channel, purposes]) =>
    Object.entries(purposes ?? {}).filter(([purpose, said]) => purpose === "marketing" || said.consent !== "NEVER_SUBSCRIBED").map(([purpose, said]) => h("tr", {}, h("td", {}, `${channel} ${purpose.replaceAll("_", " ")}`), h("td", {}, consent(said.consent)),
      h("td", { class: "time" }, short(said.consent_timestamp)),
      h("td", {}, [...(said.suppression ?? []), ...(said.list_suppressions ?? [])].map((one) => h("span", { class: "tag bad" }, one.reason.toLowerCase().replaceAll("_", " ")))))));
  return [
    h("h1", {}, plain.email ?? plain.phone_number ?? plain.external_id ?? found.id),
    h("div", { class: "two" },
      h("section", {},
        h("dl", {}, h("dt", {}, "id"), h("dd", {}, h("code", {}, found.id)), pairs(plain), pairs(place)),
        h("h2", {}, "Properties"), h("dl", { id: "properties" }, pairs(properties)),
        h("h2", {}, "Lists"),
        found.lists.length ? h("ul", {}, found.lists.map((one) => h("li", {}, link(`profiles?list=${part(one.id)}`, one.name), " ", h("span", { class: "faint" }, iso(one.joined))))) : empty("None."),
        h("h2", {}, "Consent"), table(["channel", "consent", "since", "suppressed"], channels, "")),
      h("section", {}, h("h2", {}, "Timeline"),
        found.events.length ? h("ol", { class: "timeline" }, found.events.map((one) => h("li", {}, h("strong", {}, one.name), " ", h("span", { class: "faint" }, iso(one.at)), details(one.properties)))) : empty("No events."))),
  ];
}

const details = (value) => h("details", {}, h("summary", { class: "faint" }, JSON.stringify(value).slice(0, 110)), json(value));

async function lists(_, given) {
  const [{ lists }, { pending }] = await Promise.all([read("lists", { ...given, limit: PAGE }), read("pending", { limit: 500 })]);
  const names = Object.fromEntries(lists.map((one) => [one.id, one.attributes.name]));
  const confirm = (one) => does(() => control("POST", "confirmations", { account, address: one.address, list: one.list, channel: one.channel }), "confirmed");
  return [
    h("h1", {}, "Lists"),
    table(["name", "id", "opt-in", "members", "created"],
      lists.map((one) => h("tr", {}, h("td", {}, link(`profiles?list=${part(one.id)}`, one.attributes.name)), h("td", { class: "id" }, one.id),
        h("td", {}, (one.attributes.opt_in_process ?? "").replaceAll("_", " ")), h("td", { class: "num" }, one.profiles), h("td", { class: "time" }, short(one.attributes.created)))),
      "No lists."),
    pager("lists", given, lists.length),
    h("h2", {}, "Waiting for a confirmation"),
    table(["who", "channel", "list", "asked", ""],
      pending.map((one) => h("tr", {}, h("td", {}, one.address), h("td", {}, one.channel), h("td", {}, one.list ? names[one.list] ?? one.list : ""), h("td", { class: "time" }, iso(one.at)),
        h("td", {}, h("button", { onclick: confirm(one), "aria-label": `Confirm ${one.address} by ${one.channel}` }, "Confirm")))),
      "Nobody: a double opt-in waits here until it is confirmed."),
  ];
}

async function events(_, given) {
  const { events } = await read("events", { ...given, limit: PAGE });
  return [
    h("h1", {}, "Events"),
    table(["time", "metric", "who", "value", "properties"],
      events.map((one) => h("tr", {}, h("td", { class: "time" }, iso(one.at)), h("td", {}, link(`events?metric=${part(one.metric)}`, one.name)),
        h("td", {}, link(`profile/${part(one.profile)}`, one.email ?? one.profile)), h("td", { class: "num" }, one.properties.$value ?? ""), h("td", {}, details(one.properties)))),
      "No events."),
    pager("events", given, events.length),
  ];
}

async function jobs(_, given) {
  const found = await read("jobs", { ...given, limit: PAGE });
  return [
    h("h1", {}, "Jobs"),
    h("p", { class: "bar" }, h("button", { onclick: does(() => control("POST", "clock/run-until-idle"), "nothing left to do") }, "Run until idle")),
    table(["job", "id", "status", "done", "failed", "created"],
      found.jobs.map(({ type, id, created, attributes: said }) => h("tr", {}, h("td", {}, type), h("td", { class: "id" }, id.slice(0, 26)),
        h("td", {}, h("span", { class: `tag ${said.status === "complete" ? "good" : "warn"}` }, said.status ?? "")), h("td", { class: "num" }, said.completed_count ?? ""),
        h("td", { class: "num" }, said.failed_count ?? ""), h("td", { class: "time" }, iso(created)))),
      "No jobs."),
    h("h2", {}, "Waiting"),
    table(["task", "due", "got to"], found.tasks.map((one) => h("tr", {}, h("td", {}, one.kind), h("td", { class: "time" }, iso(one.due)), h("td", { class: "num" }, one.position))), "Nothing is waiting."),
  ];
}

async function resources(_, given) {
  const { types } = await read("resources");
  const names = Object.keys(types);
  const chosen = given.type;
  const rows = chosen ? (await read("resources", { ...given, limit: PAGE })).resources : [];
  return [
    h("h1", {}, "Resources"),
    names.length ? h("p", { class: "bar" }, names.map((name) => h("a", { class: "tag", href: `#/resources?type=${part(name)}`, "aria-current": name === chosen ? "true" : false }, `${name} ${types[name]}`))) : empty("Nothing yet."),
    chosen && table(["id", "created", chosen], rows.map((one) => h("tr", {}, h("td", { class: "id" }, one.id.slice(0, 40)), h("td", { class: "time" }, iso(one.created)), h("td", {}, details(one.attributes)))), "None."),
    chosen && pager("resources", given, rows.length),
  ];
}

async function requests(_, given) {
  const { requests, watching } = await control("GET", `requests?${query({ ...given, limit: 200 })}`);
  const chosen = h("input", { type: "search", placeholder: "operation or part of a path", value: given.operation ?? given.path ?? "", "aria-label": "Filter requests" });
  const filter = (event) => {
    event.preventDefault();
    location.hash = `#/requests?${query({ [OPERATION.test(chosen.value) ? "operation" : "path"]: chosen.value })}`;
  };
  const watch = h("input", { type: "checkbox", checked: watching, onchange: does(() => control("PUT", "requests/watch", { unread: watch.checked })) });
  return [
    h("h1", {}, "Requests"),
    h("form", { class: "bar", onsubmit: filter }, chosen, h("button", {}, "Filter"), h("label", {}, watch, " find fields nobody reads")),
    table(["", "time", "request", "operation", "status", "ms", "account", "notes"],
      requests.reverse().map((one) => h("tr", {}, h("td", { class: "num" }, link(`request/${one.number}`, one.number)), h("td", { class: "time" }, iso(one.at)),
        h("td", {}, `${one.method} ${one.path}`), h("td", {}, one.operation ?? ""), h("td", { class: `num ${one.status < 400 && one.status ? "good" : "bad"}` }, one.status || "—"),
        h("td", { class: "num" }, one.ms.toFixed(1)), h("td", { class: "id" }, one.account ?? ""),
        h("td", {}, one.fault && h("span", { class: "tag warn" }, one.fault), one.unread.map((pointer) => h("span", { class: "tag bad" }, pointer))))),
      "No requests."),
  ];
}

async function request([number]) {
  const { request: one, sent, answered } = await control("GET", `requests/${part(number)}`);
  return [
    h("h1", {}, `${one.method} ${one.path}`),
    h("dl", {}, Object.entries(one).filter(([, value]) => value !== null && value !== "" && String(value)).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, name === "query" ? [...new URLSearchParams(value)].map((pair) => h("div", {}, pair.join(" = "))) : name === "at" ? iso(value) : String(value))])),
    h("div", { class: "two" }, h("section", {}, h("h2", {}, "Sent"), sent === null ? empty("Nothing.") : json(sent)), h("section", {}, h("h2", {}, "Answered"), answered === null ? empty("Nothing.") : json(answered))),
  ];
}

async function outbox(_, given) {
  const { messages } = await read("outbox", { ...given, limit: PAGE });
  const shown = h("section", {});
  const open = (one) => (event) => {
    event.preventDefault();
    shown.replaceChildren(h("h2", {}, one.subject || one.channel), one.html ? h("iframe", { sandbox: "", srcdoc: one.html, title: "Message" }) : json(one.text));
  };
  return [
    h("h1", {}, "Outbox"),
    table(["sent", "to", "channel", "subject", "status"],
      messages.map((one) => h("tr", {}, h("td", { class: "time" }, iso(one.at / 1e6)), h("td", {}, link(`profile/${part(one.profile)}`, one.recipient || one.profile)), h("td", {}, one.channel),
        h("td", {}, h("a", { href: "#", onclick: open(one) }, one.subject || one.text.slice(0, 80) || "—")), h("td", {}, h("span", { class: `tag ${one.status === "sent" ? "good" : "warn"}` }, one.status), " ", one.reason))),
      "No messages. Campaigns that are sent leave theirs here."),
    pager("outbox", given, messages.length),
    shown,
  ];
}

async function clock() {
  const [time, armed, limits] = await Promise.all(["clock", "faults", "limits"].map((path) => control("GET", path)));
  const by = h("input", { placeholder: "3d, 1h30m, 90", "aria-label": "Advance by", size: 12, required: "" });
  const to = h("input", { placeholder: "2026-01-31T09:00:00Z", "aria-label": "Set to", size: 22, required: "" });
  const fields = { operation: "*", status: "503", times: "1", latency: "", connection: "" };
  const inputs = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, name === "connection"
    ? h("select", { "aria-label": name }, ["", "reset", "lost", "torn"].map((one) => h("option", { value: one }, one || "stays")))
    : h("input", { value, placeholder: name === "latency" ? "ms" : "", "aria-label": name, size: name === "operation" ? 22 : 5 })]));
  const numbers = ["status", "times", "latency"];
  const arm = does(() => control("POST", "faults", Object.fromEntries(Object.entries(inputs).filter(([, one]) => one.value !== "").map(([name, one]) => [name, numbers.includes(name) ? Number(one.value) : one.value]))), "armed");
  const mode = h("select", { "aria-label": "Limits", onchange: does(() => control("PUT", "limits", { mode: mode.value })) }, ["off", "headers", "enforce"].map((one) => h("option", { selected: one === limits.mode }, one)));
  const scale = h("input", { value: String(limits.scale), "aria-label": "Scale of limits", size: 6, onchange: does(() => control("PUT", "limits", { scale: Number(scale.value) })) });
  return [
    h("h1", {}, "Clock and faults"),
    h("p", {}, h("strong", { id: "told" }, short(time.now)), " UTC, ", time.frozen ? h("span", { class: "warn" }, "frozen") : "running", time.next_due ? `; the next of ${time.tasks} tasks is due ${short(time.next_due)}` : "; nothing is waiting"),
    h("div", { class: "bar" },
      h("button", { onclick: does(() => control("POST", "clock", { freeze: !time.frozen })) }, time.frozen ? "Let it run" : "Freeze"),
      h("form", { class: "bar", onsubmit: does(() => control("POST", "clock", { advance: by.value })) }, by, h("button", {}, "Advance")),
      h("form", { class: "bar", onsubmit: does(() => control("POST", "clock", { set: to.value })) }, to, h("button", {}, "Set")),
      h("button", { onclick: does(() => control("POST", "clock/run-until-idle"), "nothing left to do") }, "Run until idle")),
    h("h2", {}, "Faults"),
    h("form", { class: "bar", onsubmit: arm }, Object.entries(inputs).map(([name, one]) => h("label", {}, name, one)), h("button", {}, "Arm")),
    table(["operation", "effect", "hits", "state"], armed.faults.map(({ operation = "*", fired, spent, times, ...effect }) => h("tr", {}, h("td", {}, operation), h("td", {}, Object.entries(effect).map(([name, value]) => `${name}=${value}`).join(", ")),
      h("td", { class: "num" }, times ? `${fired} of ${times}` : fired), h("td", {}, spent ? h("span", { class: "tag" }, "spent") : h("span", { class: "tag warn" }, "armed")))), "None: everything works."),
    armed.faults.length ? h("p", {}, h("button", { onclick: does(() => control("DELETE", "faults"), "cleared") }, "Clear")) : null,
    h("h2", {}, "Limits"),
    h("p", { class: "bar" }, mode, h("label", {}, "scale ", scale)),
  ];
}

async function coverage(_, given) {
  const { totals, operations } = await control("GET", "coverage");
  const rows = Object.entries(operations).filter(([name, one]) => !given.q || `${name} ${one.tag} ${one.evidence}`.toLowerCase().includes(given.q.toLowerCase()));
  const wanted = h("input", { type: "search", value: given.q ?? "", placeholder: "operation, group, evidence", "aria-label": "Filter operations" });
  const filter = (event) => {
    event.preventDefault();
    location.hash = `#/coverage?${query({ q: wanted.value })}`;
  };
  return [
    h("h1", {}, "Coverage"),
    table(["revision", "operations", "implemented", "with a recording", "driven by a test of this process"], Object.entries(totals).map(([revision, one]) => h("tr", {}, h("td", {}, revision), ["operations", "implemented", "live", "driven"].map((name) => h("td", { class: "num" }, one[name])))), ""),
    h("form", { class: "bar", style: "margin-top: 12px", onsubmit: filter }, wanted, h("button", {}, "Filter")),
    table(["operation", "path", "evidence", "answered", "state"], rows.map(([name, one]) => h("tr", {}, h("td", {}, name), h("td", {}, `${one.method} ${one.path}`), h("td", {}, h("span", { class: `tag ${one.evidence === "live" ? "good" : one.evidence === "spec" ? "" : "warn"}` }, one.evidence)),
      h("td", {}, Object.entries(one.answered).map(([status, count]) => `${status}: ${count}`).join(", ")),
      h("td", {}, Object.entries(one.revisions).filter(([, state]) => state !== "implemented").map(([revision]) => h("span", { class: "tag bad" }, `not in ${revision}`))))), "None."),
  ];
}

const PAGES = { "": overview, profiles, profile, lists, events, jobs, resources, requests, request, outbox, clock, coverage };
const NAMES = { "": "Overview", profiles: "Profiles", lists: "Lists", events: "Events", resources: "Resources", jobs: "Jobs", outbox: "Outbox", requests: "Requests", clock: "Clock and faults", coverage: "Coverage" };
const PARENTS = { profile: "profiles", request: "requests" };
const COUNTS = { profiles: "profile", events: "event", jobs: "task", outbox: "outbox" };

async function draw() {
  const mine = ++drawn;
  const [path, rest = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...more] = path.split("/").map(decodeURIComponent);
  const page = PAGES[name];
  try {
    await head(PARENTS[name] ?? name);
    const shown = page ? await page(more, Object.fromEntries(new URLSearchParams(rest))) : [empty("There is no such page.")];
    if (mine === drawn) main.replaceChildren(...shown.flat(3).filter(Boolean));
  } catch (error) {
    if (mine === drawn) main.replaceChildren(h("h1", {}, "This did not work"), h("p", { class: "bad" }, error.message));
  }
  document.body.dataset.drawn = String(drawn);
}

async function head(current) {
  const [{ accounts }, health, time] = await Promise.all([control("GET", "state/accounts?limit=500"), control("GET", "health"), control("GET", "clock")]);
  const ids = accounts.map((one) => one.id);
  if (!ids.includes(account)) account = ids.includes(sessionStorage.account) ? sessionStorage.account : ids[0] ?? "";
  picker.replaceChildren(...ids.map((id) => h("option", { value: id, selected: id === account }, id)));
  document.getElementById("nav").replaceChildren(...Object.entries(NAMES).map(([name, text]) => h("a", { href: `#/${name}`, "aria-current": name === current ? "page" : false }, text, COUNTS[name] && h("span", { class: "count" }, health.counts[COUNTS[name]] || ""))));
  const now = document.getElementById("now");
  now.textContent = `${short(time.now)} UTC${time.frozen ? " · frozen" : ""}`;
  now.classList.toggle("frozen", time.frozen);
}

function choose(id) {
  account = sessionStorage.account = id;
}

picker.addEventListener("change", () => {
  choose(picker.value);
  draw();
});
const theme = (name) => (name ? (document.documentElement.dataset.theme = name) : null);
document.getElementById("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark" || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  theme((localStorage.theme = dark ? "light" : "dark"));
});
theme(localStorage.theme);
addEventListener("hashchange", () => draw().then(() => main.focus({ preventScroll: true })));
draw();
