// What the pages with a form share: the link's token, the way to the service, its refusals in words, and their forms.

export const byId = (id) => document.getElementById(id);

// The token arrives in the fragment, which browsers never send to a server; it is taken out of the address bar at once
// and lives in the script's memory alone.
export function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  history.replaceState(null, "", location.pathname);
  return token;
}

// Shows one of the page's sections.
export function show(name) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== name;
  const title = byId(`${name}-title`);
  if (title) title.focus();
}

export function showMessage(title, text, { detail = "", again = null, label = "Try again" } = {}) {
  byId("message-title").textContent = title;
  byId("message-text").textContent = text;
  byId("message-detail").textContent = detail;
  byId("message-detail").hidden = !detail;
  byId("message-again").textContent = label;
  byId("message-again").hidden = !again;
  byId("message-again").onclick = again;
  document.title = title;
  show("message");
}

// Answers the body, or throws a problem document (RFC 9457) with `status` and `retryAfter`.
//   bearer   the session's token, where it is no cookie
export async function ask(method, path, body, bearer = null) {
  const headers = { accept: "application/json" };
  if (body) headers["content-type"] = "application/json";
  if (bearer) headers.authorization = `Bearer ${bearer}`;
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch {
    throw { status: 0, code: "unreachable", detail: "The service cannot be reached. Please check your connection." };
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const retryAfter = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  throw { ...answer, status: response.status, retryAfter: Number.isFinite(retryAfter) ? retryAfter : null };
}

export const post = (path, body) => ask("POST", path, body);

// A token that was cut off is not even looked for.
export function isCutOff(problem) {
  return problem.code === "invalid" && Boolean(problem.errors?.some(({ field }) => String(field).replace(/^\/+/, "") === "token"));
}

export function sentence(problem) {
  if (problem.status === 429 || problem.status === 503) {
    const wait = problem.retryAfter === null ? "Please try again in a moment." : `Please try again in ${duration(problem.retryAfter)}.`;
    return `${problem.status === 429 ? "There were too many attempts." : "The service is busy."} ${wait}`;
  }
  const said = [problem.title, problem.detail].filter(Boolean).map((text) => text.replace(/[^.!?]$/, "$&."));
  return said.join(" ") || "Something went wrong. Please try again in a moment.";
}

export function showInstant(id, instant) {
  byId(id).dateTime = instant;
  byId(id).textContent = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" }).format(new Date(instant));
}

function duration(seconds) {
  if (seconds < 90) return seconds === 1 ? "a second" : `${seconds} seconds`;
  return `${Math.ceil(seconds / 60)} minutes`;
}

// Codes that concern one field, for problems that do not list `errors`.
const fieldOfCode = {
  username_taken: "username",
  email_taken: "email",
  password_refused: "password",
  answer_refused: "answer",
  code_refused: "code",
};

// A form whose complaints stand beside its fields.
//   asks(name)       whether a field is asked for at all
//   complaint(name)  what is wrong with it, or ""; the service decides, this only spares a round trip
//   send()           asks the service
//   ends(problem)    true if nothing typed here would help, and the page has said so
//   prefix           what stands before a field's name in its id
//   within           what stands before it in the service's complaints
// Answers `say`, which says something above the fields, and `clear`, which takes back everything said.
export function form(id, { asks = () => true, complaint = () => "", send, ends = () => false, prefix = "", within = "" }) {
  const element = byId(id);
  const button = element.querySelector(".primary");
  let label = "";
  const names = [...element.querySelectorAll("input")].map((input) => input.name);
  const input = (name) => byId(prefix + name);
  const marked = (name) => input(name).hasAttribute("aria-invalid");

  const mark = (name, message) => {
    const error = byId(`${prefix}${name}-error`);
    error.textContent = message;
    error.hidden = !message;
    if (message) input(name).setAttribute("aria-invalid", "true");
    else input(name).removeAttribute("aria-invalid");
  };
  const say = (message) => {
    const problem = element.querySelector(".problem");
    problem.textContent = message;
    problem.hidden = !message;
  };
  const setBusy = (busy) => {
    if (busy) label = button.textContent;
    button.disabled = busy;
    button.textContent = busy ? "One moment …" : label;
  };
  const focusFirstMarked = () => {
    const first = names.find(marked);
    if (first) input(first).focus();
  };
  const refuse = (problem) => {
    const elsewhere = [];
    const errors = Array.isArray(problem.errors) ? problem.errors : [];
    for (const { field, message } of errors) {
      const whole = String(field ?? "").replace(/^\/+/, "");
      const name = whole.startsWith(within) ? whole.slice(within.length) : whole;
      if (names.includes(name) && asks(name)) mark(name, message);
      else elsewhere.push(name ? `${name}: ${message}` : message);
    }
    const name = fieldOfCode[problem.code];
    if (!errors.length && names.includes(name) && asks(name)) mark(name, sentence(problem));
    else if (!errors.length) elsewhere.push(sentence(problem));
    say(elsewhere.join(" "));
    focusFirstMarked();
  };

  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    say("");
    for (const name of names.filter(asks)) mark(name, complaint(name));
    if (names.some(marked)) return focusFirstMarked();
    setBusy(true);
    let wait = 0;
    try {
      await send();
    } catch (problem) {
      // A mistake of this script's is not an answer of the service.
      if (problem instanceof Error) throw problem;
      if (!ends(problem)) {
        refuse(problem);
        wait = Math.min(problem.retryAfter ?? 0, 60) * 1000;
      }
    } finally {
      setBusy(false);
    }
    if (wait) {
      button.disabled = true;
      setTimeout(() => (button.disabled = false), wait);
    }
  });
  for (const name of names) {
    // A complaint goes away as soon as it no longer holds; a new one waits for the button.
    input(name).addEventListener("input", () => {
      if (marked(name)) mark(name, complaint(name));
    });
  }
  return {
    say,
    clear() {
      say("");
      for (const name of names) mark(name, "");
    },
  };
}

// What is wrong with somebody's address or name before it is sent.
export function personComplaint(name, input) {
  if (name !== "email") return input.value.trim() ? "" : `Please give your ${name === "first_name" ? "first" : "last"} name.`;
  if (!input.value.trim()) return "Please give your email address.";
  return input.validity.typeMismatch ? "This does not look like an email address." : "";
}

// What a password would be refused for whatever it says.
export function wrongLength(password, least) {
  const length = [...password].length;
  if (length < least) return length ? `This has ${length} of at least ${least} characters.` : "Please choose a password.";
  return length > 256 ? "At most 256 characters, please." : "";
}

// The button beside a password that shows it.
export function revealing(buttonId, inputId) {
  const [button, input] = [byId(buttonId), byId(inputId)];
  button.addEventListener("click", () => {
    const hidden = input.type === "password";
    input.type = hidden ? "text" : "password";
    button.textContent = hidden ? "Hide" : "Show";
    button.setAttribute("aria-pressed", String(hidden));
    input.focus();
  });
}
