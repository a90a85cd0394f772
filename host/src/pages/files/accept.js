// Accepting a staff invitation. The token arrives in the fragment, which browsers never send to a server; it is
// taken out of the address bar at once and lives in this script's memory alone.
"use strict";

const byId = (id) => document.getElementById(id);
const sections = ["loading", "message", "invitation", "done"];
const fieldNames = ["email", "first_name", "last_name", "username", "password"];

const token = new URLSearchParams(location.hash.slice(1)).get("token");
history.replaceState(null, "", location.pathname);

let invitation = null;

const endings = {
  invitation_unknown: ["This link is not valid", "Please check that you opened the whole link from your mail. If it still does not work, ask the person who invited you for a new one."],
  invitation_expired: ["This invitation has expired", "Ask the person who invited you to send it again. You will get a new link."],
  invitation_replaced: ["There is a newer invitation", "This link was replaced by a later one. Please use the link in the latest mail."],
  invitation_cancelled: ["This invitation was withdrawn", "If you did not expect that, talk to the person who invited you."],
  invitation_used: ["This invitation has already been used", "If that was you, log in with the username and password you chose. If it was not, tell the person who invited you at once."],
};

function show(name) {
  for (const section of sections) byId(section).hidden = section !== name;
  const title = byId(`${name}-title`);
  if (title) title.focus();
}

function showMessage(title, text, { detail = "", again = null } = {}) {
  byId("message-title").textContent = title;
  byId("message-text").textContent = text;
  byId("message-detail").textContent = detail;
  byId("message-detail").hidden = !detail;
  byId("message-again").hidden = !again;
  byId("message-again").onclick = again;
  document.title = title;
  show("message");
}

// Answers the body, or throws a problem document (RFC 9457) with `status` and `retryAfter`.
async function post(path, body) {
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

function sentence(problem) {
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

async function lookUp() {
  show("loading");
  try {
    invitation = await post("v1/public/invitations/lookup", { token });
  } catch (problem) {
    // A token that was cut off is not even looked for.
    const ending = endings[problem.code] ?? (problem.code === "invalid" ? endings.invitation_unknown : null);
    if (ending) showMessage(...ending);
    else showMessage("That did not work", sentence(problem), { again: lookUp });
    return;
  }
  if (invitation.kind !== "staff") {
    showMessage("This invitation is accepted elsewhere", "It is for a client account. Please open it on the website of your provider.");
    return;
  }
  fillIn();
  show("invitation");
}

const input = (name) => byId(name);
const needed = (name) => invitation.needs.includes(name);

function fillIn() {
  if (invitation.role) {
    byId("role").textContent = invitation.role;
    byId("as-role").hidden = false;
  }
  const expires = new Date(invitation.expires_at);
  byId("expires").dateTime = invitation.expires_at;
  byId("expires").textContent = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" }).format(expires);
  for (const name of fieldNames) {
    const fixed = !needed(name) && invitation[name];
    input(name).closest(".field").hidden = !needed(name) && !fixed;
    input(name).required = needed(name);
    if (fixed) {
      input(name).value = invitation[name];
      input(name).readOnly = true;
    }
  }
  if (!needed("username")) byId("username-hint").hidden = true;
}

// What is wrong with a field, or "". The service decides; this only spares a round trip.
function complaint(name) {
  const value = input(name).value;
  switch (name) {
    case "username":
      if (!value.trim()) return "Please choose a username.";
      return /^[A-Za-z][A-Za-z0-9]{0,63}$/.test(value.trim()) ? "" : "Please use only letters and digits, beginning with a letter (A to Z, without accents).";
    case "password": {
      const length = [...value].length;
      if (length < 15) return length ? `This has ${length} of at least 15 characters.` : "Please choose a password.";
      return length > 256 ? "At most 256 characters, please." : "";
    }
    case "email":
      if (!value.trim()) return "Please give your email address.";
      return input(name).validity.typeMismatch ? "This does not look like an email address." : "";
    default:
      return value.trim() ? "" : `Please give your ${name === "first_name" ? "first" : "last"} name.`;
  }
}

function mark(name, message) {
  byId(`${name}-error`).textContent = message;
  byId(`${name}-error`).hidden = !message;
  if (message) input(name).setAttribute("aria-invalid", "true");
  else input(name).removeAttribute("aria-invalid");
}

function showProblem(message) {
  byId("problem").textContent = message;
  byId("problem").hidden = !message;
}

function focusFirstMarked() {
  const first = fieldNames.find((name) => input(name).getAttribute("aria-invalid"));
  if (first) input(first).focus();
}

// Codes that concern one field, for problems that do not list `errors`.
const fieldOfCode = { username_taken: "username", email_taken: "email", password_refused: "password" };

function showRefusal(problem) {
  const elsewhere = [];
  const errors = Array.isArray(problem.errors) ? problem.errors : [];
  for (const { field, message } of errors) {
    const name = String(field ?? "").replace(/^\/+/, "");
    if (fieldNames.includes(name) && needed(name)) mark(name, message);
    else elsewhere.push(name ? `${name}: ${message}` : message);
  }
  const name = fieldOfCode[problem.code];
  if (!errors.length && name && needed(name)) mark(name, sentence(problem));
  else if (!errors.length) elsewhere.push(sentence(problem));
  showProblem(elsewhere.join(" "));
  focusFirstMarked();
}

function setBusy(busy) {
  byId("submit").disabled = busy;
  byId("submit").textContent = busy ? "One moment …" : "Accept the invitation";
}

async function accept(event) {
  event.preventDefault();
  showProblem("");
  const body = { token, session: "cookie" };
  for (const name of fieldNames.filter(needed)) {
    mark(name, complaint(name));
    body[name] = name === "password" ? input(name).value : input(name).value.trim();
  }
  if (fieldNames.some((name) => input(name).getAttribute("aria-invalid"))) {
    focusFirstMarked();
    return;
  }
  setBusy(true);
  let answer;
  try {
    answer = await post("v1/public/invitations/accept", body);
  } catch (problem) {
    const ending = endings[problem.code];
    if (ending) {
      input("password").value = "";
      showMessage(...ending);
      return;
    }
    showRefusal(problem);
    setBusy(false);
    if (problem.retryAfter) {
      byId("submit").disabled = true;
      setTimeout(() => setBusy(false), Math.min(problem.retryAfter, 60) * 1000);
    }
    return;
  }
  input("password").value = "";
  welcome(answer.staff ?? {});
}

function welcome(staff) {
  const value = (name) => staff[name] || input(name).value.trim();
  const name = value("first_name") || value("username");
  byId("done-title").textContent = `Welcome, ${name}`;
  byId("done-username").textContent = value("username");
  const role = staff.role?.name ?? invitation.role ?? "";
  byId("done-role").textContent = role;
  if (!role) for (const element of [byId("done-role"), byId("done-role").previousElementSibling]) element.hidden = true;
  document.title = "Welcome";
  show("done");
}

byId("form").addEventListener("submit", accept);
for (const name of fieldNames) {
  // A complaint goes away as soon as it no longer holds; a new one waits for the button.
  input(name).addEventListener("input", () => {
    if (input(name).getAttribute("aria-invalid")) mark(name, complaint(name));
  });
}
byId("reveal").addEventListener("click", () => {
  const hidden = input("password").type === "password";
  input("password").type = hidden ? "text" : "password";
  byId("reveal").textContent = hidden ? "Hide" : "Show";
  byId("reveal").setAttribute("aria-pressed", String(hidden));
  input("password").focus();
});

if (token) lookUp();
else showMessage("Please open the link from your mail again", "This page was opened without an invitation, or it was reloaded. For your safety the link is kept nowhere; nothing is lost, and opening it again works.");
