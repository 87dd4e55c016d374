"use strict";
// The transcript browser. Whatever a transcript holds is set as text, never as markup.
(async () => {
  const byId = (id) => document.getElementById(id);
  const el = (tag, props = {}, ...kids) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(props)) {
      if (value === undefined || value === null || value === false) continue;
      if (name === "class") node.className = value;
      else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...kids.filter((kid) => kid !== null && kid !== undefined));
    return node;
  };

  const here = (link, is) => is ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");

  // ---- Data ----------------------------------------------------------------------------------------------------
  const unpack = async (id) => {
    const node = byId(id);
    const bytes = Uint8Array.from(atob(node.textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };
  const data = await unpack("index");
  const packs = new Map();
  const texts = async (n) => {
    const which = Math.floor(n / data.pack);
    if (!packs.has(which)) {
      if (packs.size >= 4) packs.delete(packs.keys().next().value);
      packs.set(which, unpack(`pack-${which}`));
    }
    return (await packs.get(which))[n % data.pack];
  };
  const place = new Map(data.items.map((item, n) => [item.id, n]));
  for (const item of data.items) item.words = [item.id, ...Object.values(item.facts)].join(" ").toLowerCase();

  // ---- Filters, kept in the address so that a link opens them ------------------------------------------------------
  const form = byId("filters");
  const option = (value, words = value) => el("option", { value }, words);
  form.elements.harm.append(option("", "any harm"), ...data.harms.map((harm) => option(harm)));
  const groups = new Map(data.by.map((key) => [key, new Set()]));
  for (const item of data.items)
    for (const [key, value] of Object.entries(item.facts)) {
      if (!groups.has(key)) groups.set(key, new Set());
      groups.get(key).add(String(value));
    }
  form.elements.group.append(option("", "all"));
  for (const [key, values] of groups)
    if (values.size > 1 && (values.size <= 40 || data.by.includes(key)))
      form.elements.group.append(
        el("optgroup", { label: key }, ...[...values].sort().map((value) => option(`${key}=${value}`, value))));
  data.graders.forEach((grader, n) => byId("by-grader").append(
    el("label", {}, `${grader.name} says`, el("select", { name: `g${n}` }, option("", "anything"),
      option("yes"), option("no"), option("unscored")))));

  const wanted = () => Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
  const matches = (item, want) => {
    if (want.search && !want.search.toLowerCase().split(/\s+/).every((word) => item.words.includes(word))) return false;
    if (want.group) {
      const cut = want.group.indexOf("=");
      if (String(item.facts[want.group.slice(0, cut)]) !== want.group.slice(cut + 1)) return false;
    }
    // All that is said of one harm has to hold for the same harm.
    return (want.harm ? [want.harm] : data.harms).some((harm) => saysSo(item, harm, want));
  };
  const saysSo = (item, harm, want) => {
    const sides = item.sides.filter((side) => side.harm === harm);
    const human = item.human.find((label) => label.harm === harm);
    const scored = sides.filter((side) => side.side !== "unscored");
    if (want.human && (human ? human.side : "not labelled") !== want.human) return false;
    for (const [n, grader] of data.graders.entries()) {
      const said = sides.find((side) => side.grader === grader.name);
      if (want[`g${n}`] && (said ? said.side : "unscored") !== want[`g${n}`]) return false;
    }
    if (want.unverified && !sides.some((side) => side.unverified)) return false;
    if (want.differ === "graders") return new Set(scored.map((side) => side.side)).size > 1;
    if (want.differ === "humans") return Boolean(human) && scored.some((side) => side.side !== human.side);
    if (want.differ === "raters") return Boolean(human && human.split);
    return true;
  };

  // ---- The list: rows are made as they come near the screen ------------------------------------------------------
  const BATCH = 60;
  let shown = [], made = 0, current = null;
  const signs = { yes: "●", no: "○", unscored: "?", tie: "◐" };
  const tells = (key) => groups.has(key) && groups.get(key).size > 1;
  const row = (n) => {
    const item = data.items[n];
    const badges = data.harms.map((harm) => {
      const said = item.sides.filter((side) => side.harm === harm).map((side) => [side.grader, side.side]);
      const human = item.human.find((label) => label.harm === harm);
      if (human) said.unshift(["humans", human.side]);
      const worth = said.some(([, side]) => side === "yes" || side === "tie");
      const words = `${harm}: ${said.map(([who, side]) => `${who} ${side}`).join(", ")}`;
      return said.length && worth ? el("span", { class: "said", title: words },
        el("span", { class: "sr" }, words + ". "), el("span", { "aria-hidden": "true" },
          `${harm} ${human ? "" : "·"}${said.map(([, side]) => signs[side]).join("")}`)) : null;
    });
    return el("li", {}, el("a", { href: `#transcript?id=${encodeURIComponent(item.id)}`, "data-n": n,
      "aria-current": n === current ? "true" : null },
      el("bdi", { class: "id" }, visible(item.id)), el("span", { class: "facts" },
        ["scenario", "arm", "model"].filter(tells).map((key) => item.facts[key]).filter(Boolean).map(visible).join(" · ")),
      el("span", { class: "badges" }, ...badges)));
  };
  const rows = byId("rows");
  const more = () => {
    rows.append(...shown.slice(made, made + BATCH).map(row));
    made = Math.min(shown.length, made + BATCH);
    while (made < shown.length && rows.scrollHeight < rows.clientHeight * 2) more();
  };
  rows.addEventListener("scroll", () => {
    if (rows.scrollTop + rows.clientHeight * 2 > rows.scrollHeight && made < shown.length) more();
  }, { passive: true });
  const list = () => {
    const want = wanted();
    shown = data.items.map((_, n) => n).filter((n) => matches(data.items[n], want));
    made = 0;
    rows.replaceChildren();
    rows.scrollTop = 0;
    if (!byId("transcripts").hidden) more();
    const held = data.items.length < data.pool ? ` (this page holds ${data.items.length} of ${data.pool})` : "";
    byId("count").textContent = `${shown.length} of ${data.items.length} transcripts${held}`;
  };

  // ---- Texts: invisible characters are shown, quotes and segments marked -----------------------------------------
  const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udfff]/g;
  const code = (sign) => "U+" + sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
  const visible = (text) => String(text).replace(HIDDEN, (sign) => `⟨${code(sign)}⟩`);
  const pieces = (text) => {
    const kids = [];
    let last = 0;
    for (const found of text.matchAll(HIDDEN)) {
      kids.push(text.slice(last, found.index), el("span", { class: "hidden-sign" }, code(found[0])));
      last = found.index + found[0].length;
    }
    kids.push(text.slice(last));
    return kids;
  };
  // Offsets count characters as Python does; JavaScript counts some of them twice.
  const units = (text, marks) => {
    if (!/[\ud800-\udbff]/.test(text)) return marks;
    const at = [0];
    for (const sign of text) at.push(at[at.length - 1] + sign.length);
    return marks.map((mark) => ({ ...mark, start: at[mark.start] ?? text.length, end: at[mark.end] ?? text.length }));
  };
  const marked = (text, given) => {
    const marks = units(text, given).filter((mark) => mark.start < mark.end && mark.start < text.length);
    const ends = [...new Set([0, text.length, ...marks.flatMap((mark) => [mark.start, Math.min(mark.end, text.length)])])];
    ends.sort((a, b) => a - b);
    return ends.slice(1).flatMap((end, i) => {
      const inside = marks.filter((mark) => mark.start <= ends[i] && mark.end >= end);
      const kids = pieces(text.slice(ends[i], end));
      if (!inside.length) return kids;
      const quotes = inside.filter((mark) => mark.kind === "quote");
      const first = quotes.find((mark) => mark.start === ends[i]);
      return [el("mark", { class: quotes.length ? "quote" : "segment", id: first && first.id,
        title: [...new Set(inside.map((mark) => mark.words))].join("; ") }, ...kids)];
    });
  };

  // ---- One transcript --------------------------------------------------------------------------------------------
  const LONG = 6000;
  const message = (said, n, marks) => {
    const reach = Math.max(LONG, ...marks.map((mark) => mark.end + 500));
    const body = el("div", { class: "text", dir: "auto" });
    const fill = (text) => body.replaceChildren(...marked(text, marks));
    if (said.text === undefined) body.append(el("em", {}, `${said.length} characters, left out`));
    else fill([...said.text.slice(0, 2 * reach)].slice(0, reach).join(""));
    const left = said.text === undefined ? 0 : said.text.length - reach;
    const all = left > 0 ? el("button", { type: "button", class: "more" }, `Show ${left} more characters`) : null;
    if (all) all.addEventListener("click", () => { fill(said.text); all.remove(); });
    const channel = { text: "", reasoning: "reasoning", tool_call: "calls a tool", tool_result: "answer of a tool" };
    return el("article", { class: `message ${said.role} ${said.kind}`, id: `m${n + 1}`, "aria-label": `Message ${n + 1}` },
      el("header", {}, el("span", { class: "number" }, `M${n + 1}`), el("strong", {}, said.role),
        el("span", { class: "channel" }, channel[said.kind]), said.name ? el("code", {}, visible(said.name)) : null),
      body, all);
  };
  const quoteOf = (evidence, id) => {
    const found = evidence.message !== null && evidence.message !== undefined && evidence.start !== null;
    const words = el("q", { dir: "auto" }, ...pieces(evidence.quote));
    const where = found ? el("a", { href: `#${id}`, "data-mark": id, "data-message": `m${evidence.message + 1}` },
      `M${evidence.message + 1}`) : null;
    const state = evidence.verified ? null : el("span", { class: "flag" }, "not verified");
    return el("li", {}, words, " ", where, " ", state);
  };
  const verdict = (said, key) => {
    const side = said.present === true ? "yes" : said.present === false ? "no" : (said.outcome || "unscored").replace("_", " ");
    const score = said.score === undefined ? "" : ` ${said.score.toFixed(2)}`;
    const stage = said.stage && said.stage !== "none" ? `, ${said.stage}` : "";
    const quotes = (said.evidence || []).filter((evidence) => evidence.quote);
    return el("li", {}, el("p", {}, el("span", { class: "who" }, said.grader), " ",
      el("strong", { class: `side ${side}` }, side), `${score}${stage}${said.repeat ? ` (repeat ${said.repeat + 1})` : ""}`),
    said.explanation ? el("p", { class: "explanation", dir: "auto" }, ...pieces(said.explanation)) : null,
    quotes.length ? el("ul", { class: "quotes" }, ...quotes.map((evidence, i) => quoteOf(evidence, `${key}-${i}`))) : null);
  };
  // A note is of the whole transcript: it stands with the first of its rater's labels.
  const label = (said, noted) => {
    const side = said.label === 1 ? "yes" : said.label === 0 ? "no" : said.status;
    const seconds = said.seconds === undefined ? null : ` ${Math.round(said.seconds)} s`;
    const fresh = said.note && !noted.has(`${said.rater} ${said.note}`);
    noted.add(`${said.rater} ${said.note}`);
    const safe = /^https?:\/\//.test(said.task_url || "") ? said.task_url : null;
    return el("li", {}, el("p", {}, el("span", { class: "who" }, `rater ${visible(said.rater)}`), " ",
      el("strong", { class: `side ${side}` }, side), seconds,
      safe ? " " : null,
      safe ? el("a", { href: safe, rel: "noreferrer noopener", target: "_blank" }, "task in Label Studio") : null),
    fresh ? el("p", { class: "explanation note-text", dir: "auto" }, ...pieces(said.note)) : null);
  };
  const findings = (item, told, harm, noted) => {
    const verdicts = told.verdicts.map((said, i) => [said, `q${i}`]).filter(([said]) => said.harm === harm);
    const labels = told.labels.filter((said) => said.harm === harm);
    if (!verdicts.length && !labels.length) return null;
    const human = item.human.find((said) => said.harm === harm);
    return el("section", { class: "finding" }, el("h3", {}, harm, human ? el("span", { class: "side " + human.side },
      ` humans: ${human.side}`) : null), el("ul", {}, ...labels.map((said) => label(said, noted)), ...verdicts.map(([said, key]) => verdict(said, key))));
  };
  const marksOf = (told) => {
    const marks = new Map();
    const add = (where, mark) => {
      if (where.message === null || where.message === undefined || typeof where.start !== "number") return;
      if (!marks.has(where.message)) marks.set(where.message, []);
      marks.get(where.message).push({ start: where.start, end: where.end, ...mark });
    };
    told.verdicts.forEach((said, i) => {
      (said.evidence || []).forEach((evidence, k) => add(evidence,
        { kind: evidence.quote ? "quote" : "segment", words: `${said.grader}: ${said.harm}`, id: `q${i}-${k}` }));
      (said.segments || []).forEach((segment) => add(segment, { kind: "segment", words: `${said.grader}: ${said.harm}` }));
    });
    return marks;
  };
  const legend = (marks) => {
    const kinds = new Set([...marks.values()].flat().map((mark) => mark.kind));
    const words = { quote: "quoted by a grader", segment: "what raised a classifier's score" };
    return kinds.size ? el("p", { class: "note marks" }, ...Object.entries(words).filter(([kind]) => kinds.has(kind))
      .flatMap(([kind, said]) => [el("span", { class: kind }, said), " "])) : null;
  };
  const open = async (id) => {
    const n = place.get(id), view = byId("conversation");
    if (n === undefined) { view.replaceChildren(el("p", { class: "empty" }, `No transcript ${visible(id)} in this page.`)); return; }
    const item = data.items[n], told = await texts(n), marks = marksOf(told), noted = new Set();
    current = n;
    for (const link of rows.querySelectorAll("a")) here(link, Number(link.dataset.n) === n);
    const at = shown.indexOf(n);
    const step = (by, words) => shown[at + by] === undefined || at < 0 ? null : el("a",
      { href: `#transcript?id=${encodeURIComponent(data.items[shown[at + by]].id)}`, rel: by < 0 ? "prev" : "next" }, words);
    const none = data.redacted ? "Texts were left out of this page." : "The texts were not given; quotes stand above as the graders gave them.";
    view.replaceChildren(el("header", {}, el("p", { class: "steps" }, el("a", { class: "back", href: "#transcripts" }, "← all transcripts"),
      step(-1, "previous"), step(1, "next")), el("h2", {}, el("bdi", {}, visible(item.id))), el("p", { class: "facts" },
      ...Object.entries(item.facts).map(([key, value]) => el("span", {}, `${key} ${visible(value)}`)))),
    el("div", { class: "findings" }, ...data.harms.map((harm) => findings(item, told, harm, noted))),
    (told.messages && legend(marks)) || "",
    told.messages ? el("div", { class: "messages" }, ...told.messages.map((said, k) => message(said, k, marks.get(k) || [])))
      : el("p", { class: "empty" }, none));
    view.scrollTop = 0;
    view.focus({ preventScroll: true });
  };

  // ---- Where we are ------------------------------------------------------------------------------------------------
  const go = async () => {
    const [where, query] = location.hash.slice(1).split(/\?(.*)/s);
    const browsing = where === "transcripts" || where === "transcript";
    byId("report").hidden = browsing;
    byId("transcripts").hidden = !browsing;
    byId("transcripts").classList.toggle("reading", where === "transcript");
    here(byId("to-report"), !browsing);
    here(byId("to-transcripts"), browsing);
    if (!browsing) { document.getElementById(where)?.scrollIntoView(); return; }
    const asked = new URLSearchParams(query || "");
    if (where === "transcript") { if (!made) more(); await open(asked.get("id")); return; }
    if (query) {
      form.reset();
      for (const [name, value] of asked) {
        const field = form.elements[name];
        if (field instanceof Element) field.type === "checkbox" ? (field.checked = true) : (field.value = value);
      }
      list();
    } else if (!made) more();
    if (current === null) byId("conversation").replaceChildren(el("p", { class: "empty" }, "Choose a transcript."));
  };
  form.addEventListener("input", list);
  form.addEventListener("reset", () => setTimeout(list));
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("conversation").addEventListener("click", (event) => {
    const link = event.target.closest("a[data-mark]");
    if (!link) return;
    event.preventDefault();
    const mark = byId(link.dataset.mark) || byId(link.dataset.message);
    mark.scrollIntoView({ block: "center" });
    mark.classList.add("found");
    setTimeout(() => mark.classList.remove("found"), 1600);
  });
  document.addEventListener("keydown", (event) => {
    if (byId("transcripts").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select, textarea")) return;
    const near = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (near && event.target.closest("#rows")) {
      event.preventDefault();
      event.target.closest("li")[near]?.firstChild.focus();
      return;
    }
    const step = { j: "a[rel=next]", k: "a[rel=prev]", Escape: "a.back" }[event.key];
    const link = step && byId("conversation").querySelector(step);
    if (link) link.click();
    if (event.key === "/") { event.preventDefault(); byId("search").focus(); }
  });
  addEventListener("hashchange", go);
  if (matchMedia("(max-width: 60rem)").matches) form.closest("details").open = false;
  list();
  await go();
  document.documentElement.dataset.ready = Math.round(performance.now());
})();
