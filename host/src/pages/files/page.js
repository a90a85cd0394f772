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
export async function post(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify(body),
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

export function sentence(problem) {
  if (problem.status === 429 || problem.status === 503) {
    const wait = problem.retryAfter === null ? "Please try again in a moment." : `Please try again in ${duration(problem.retryAfter)}.`;
    return `${problem.status === 429 ? "There were too many attempts." : "The service is busy."} ${wait}`;
  }
  const said = [problem.title, problem.detail].filter(Boolean).map((text) => text.replace(/[^.!?]$/, "$&."));
  return said.join(" ") || "Something went wrong. Please try again in a moment.";
}

function duration(seconds) {
  if (seconds < 90) return seconds === 1 ? "a second" : `${seconds} seconds`;
  return `${Math.ceil(seconds / 60)} minutes`;
}

// Codes that concern one field, for problems that do not list `errors`.
const fieldOfCode = { username_taken: "username", email_taken: "email", password_refused: "password", answer_refused: "answer" };

// A form whose complaints stand beside its fields.
//   asks(name)       whether a field is asked for at all
//   complaint(name)  what is wrong with it, or ""; the service decides, this only spares a round trip
//   send()           asks the service
//   ends(problem)    true if nothing typed here would help, and the page has said so
export function form(id, { asks = () => true, complaint, send, ends }) {
  const element = byId(id);
  const button = element.querySelector(".primary");
  const label = button.textContent;
  const names = [...element.querySelectorAll("input")].map((input) => input.name);
  const marked = (name) => byId(name).hasAttribute("aria-invalid");

  const mark = (name, message) => {
    byId(`${name}-error`).textContent = message;
    byId(`${name}-error`).hidden = !message;
    if (message) byId(name).setAttribute("aria-invalid", "true");
    else byId(name).removeAttribute("aria-invalid");
  };
  const say = (message) => {
    const problem = element.querySelector(".problem");
    problem.textContent = message;
    problem.hidden = !message;
  };
  const setBusy = (busy) => {
    button.disabled = busy;
    button.textContent = busy ? "One moment …" : label;
  };
  const focusFirstMarked = () => {
    const first = names.find(marked);
    if (first) byId(first).focus();
  };
  const refuse = (problem) => {
    const elsewhere = [];
    const errors = Array.isArray(problem.errors) ? problem.errors : [];
    for (const { field, message } of errors) {
      const name = String(field ?? "").replace(/^\/+/, "");
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
      setTimeout(() => setBusy(false), wait);
    }
  });
  for (const name of names) {
    // A complaint goes away as soon as it no longer holds; a new one waits for the button.
    byId(name).addEventListener("input", () => {
      if (marked(name)) mark(name, complaint(name));
    });
  }
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
