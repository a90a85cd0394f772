// Setting a forgotten password anew: with a link's token a new password, without one the request for a link.
import { byId, form, post, revealing, show, showMessage, takeToken, wrongLength } from "./page.js";

const token = takeToken();

function showAsk() {
  document.title = "Forgot your password?";
  show("ask");
}

const dead = ["This link is no longer good", "It works once and for an hour, and not after another one was used."];

function deadLink(problem) {
  // A token that was cut off is not even looked for.
  const cutOff = problem.code === "invalid" && problem.errors?.some(({ field }) => String(field).replace(/^\/+/, "") === "token");
  if (problem.code !== "reset_link_dead" && !cutOff) return false;
  byId("password").value = "";
  showMessage(...dead, { again: showAsk, label: "Ask for a new link" });
  return true;
}

function turnedOff(problem) {
  if (problem.code !== "turned_off") return false;
  showMessage("Passwords are not reset by mail here", "A colleague who administers this service, or whoever runs it, can help you to a new one.");
  return true;
}

async function setPassword() {
  await post("v1/public/password-reset/complete", { token, password: byId("password").value });
  byId("password").value = "";
  document.title = "Your new password is set";
  show("done");
}

async function ask() {
  await post("v1/public/password-reset", { audience: "staff", login: byId("login").value.trim() });
  document.title = "Look into your mail";
  show("asked");
}

form("set-form", {
  // How long it must be depends on whose it is: with a second factor eight characters are enough.
  complaint: () => wrongLength(byId("password").value, 8),
  send: setPassword,
  ends: deadLink,
});
form("ask-form", {
  complaint: () => (byId("login").value.trim() ? "" : "Please give your username or your email address."),
  send: ask,
  ends: turnedOff,
});
revealing("reveal", "password");

if (token) show("set");
else showAsk();
