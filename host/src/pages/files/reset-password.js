// Setting a forgotten password anew: with a link's token a new password, without one the request for a link.
import { byId, form, post, revealing, sentence, show, showMessage, takeToken, wrongLength } from "./page.js";

const token = takeToken();

function showAsk() {
  document.title = "Forgot your password?";
  show("ask");
}

// For whom a link is asked for; a link that was looked up says whose it is.
let audience = "staff";
// Whether the link wants the answer to a security question.
let asksAnswer = false;

const dead = [
  "This link is no longer good",
  "It works once and for a limited time, not after another one was used, and not after five wrong answers.",
];

function deadLink(problem) {
  // A token that was cut off is not even looked for.
  const cutOff = problem.code === "invalid" && problem.errors?.some(({ field }) => String(field).replace(/^\/+/, "") === "token");
  if (problem.code !== "reset_link_dead" && !cutOff) return false;
  forget();
  showMessage(...dead, { again: showAsk, label: "Ask for a new link" });
  return true;
}

function turnedOff(problem) {
  if (problem.code !== "turned_off") return false;
  showMessage("Passwords are not reset by mail here", "A colleague who administers this service, or whoever runs it, can help you to a new one.");
  return true;
}

function forget() {
  byId("password").value = "";
  byId("answer").value = "";
}

async function lookUp() {
  let link;
  try {
    link = await post("v1/public/password-reset/lookup", { token });
  } catch (problem) {
    if (problem instanceof Error) throw problem;
    if (!deadLink(problem)) showMessage("This does not work right now", sentence(problem), { again: lookUp });
    return;
  }
  audience = link.audience;
  asksAnswer = link.needs.includes("answer");
  byId("question").textContent = link.question ?? "";
  byId("answer-field").hidden = !asksAnswer;
  byId("staff-hint").hidden = audience !== "staff";
  show("set");
}

async function setPassword() {
  const answer = asksAnswer ? { answer: byId("answer").value } : {};
  await post("v1/public/password-reset/complete", { token, password: byId("password").value, ...answer });
  forget();
  document.title = "Your new password is set";
  show("done");
}

async function ask() {
  await post("v1/public/password-reset", { audience, login: byId("login").value.trim() });
  document.title = "Look into your mail";
  show("asked");
}

form("set-form", {
  asks: (name) => name !== "answer" || asksAnswer,
  // How long a password must be depends on whose it is: with a second factor eight characters are enough.
  complaint: (name) => {
    if (name === "password") return wrongLength(byId("password").value, 8);
    return byId("answer").value.trim() ? "" : "Please answer the question.";
  },
  send: setPassword,
  ends: deadLink,
});
form("ask-form", {
  complaint: () => (byId("login").value.trim() ? "" : "Please give your username or your email address."),
  send: ask,
  ends: turnedOff,
});
revealing("reveal", "password");

if (token) lookUp();
else showAsk();
