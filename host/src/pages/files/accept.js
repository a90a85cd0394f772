// Accepting a staff invitation.
import { byId, form, post, revealing, sentence, show, showMessage, takeToken, wrongLength } from "./page.js";

const token = takeToken();
const fieldNames = ["email", "first_name", "last_name", "username", "password"];

let invitation = null;

const endings = {
  invitation_unknown: ["This link is not valid", "Please check that you opened the whole link from your mail. If it still does not work, ask the person who invited you for a new one."],
  invitation_expired: ["This invitation has expired", "Ask the person who invited you to send it again. You will get a new link."],
  invitation_replaced: ["There is a newer invitation", "This link was replaced by a later one. Please use the link in the latest mail."],
  invitation_cancelled: ["This invitation was withdrawn", "If you did not expect that, talk to the person who invited you."],
  invitation_used: ["This invitation has already been used", "If that was you, log in with the username and password you chose. If it was not, tell the person who invited you at once."],
};

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
    byId(name).closest(".field").hidden = !needed(name) && !fixed;
    byId(name).required = needed(name);
    if (fixed) {
      byId(name).value = invitation[name];
      byId(name).readOnly = true;
    }
  }
  if (!needed("username")) byId("username-hint").hidden = true;
}

function complaint(name) {
  const value = byId(name).value;
  switch (name) {
    case "username":
      if (!value.trim()) return "Please choose a username.";
      return /^[A-Za-z][A-Za-z0-9]{0,63}$/.test(value.trim()) ? "" : "Please use only letters and digits, beginning with a letter (A to Z, without accents).";
    case "password":
      return wrongLength(value, 15);
    case "email":
      if (!value.trim()) return "Please give your email address.";
      return byId(name).validity.typeMismatch ? "This does not look like an email address." : "";
    default:
      return value.trim() ? "" : `Please give your ${name === "first_name" ? "first" : "last"} name.`;
  }
}

async function accept() {
  const body = { token, session: "cookie" };
  for (const name of fieldNames.filter(needed)) {
    body[name] = name === "password" ? byId(name).value : byId(name).value.trim();
  }
  const answer = await post("v1/public/invitations/accept", body);
  byId("password").value = "";
  welcome(answer.staff ?? {}, answer.pending ?? []);
}

function ends(problem) {
  const ending = endings[problem.code];
  if (!ending) return false;
  byId("password").value = "";
  showMessage(...ending);
  return true;
}

function welcome(staff, pending) {
  const value = (name) => staff[name] || byId(name).value.trim();
  const name = value("first_name") || value("username");
  byId("done-title").textContent = `Welcome, ${name}`;
  byId("done-username").textContent = value("username");
  const role = staff.role?.name ?? invitation.role ?? "";
  byId("done-role").textContent = role;
  if (!role) for (const element of [byId("done-role"), byId("done-role").previousElementSibling]) element.hidden = true;
  byId("done-enrol").hidden = !pending.includes("enrol_second_factor");
  byId("done-next").hidden = !byId("done-enrol").hidden;
  document.title = "Welcome";
  show("done");
}

form("form", { asks: needed, complaint, send: accept, ends });
revealing("reveal", "password");

if (token) lookUp();
else showMessage("Please open the link from your mail again", "This page was opened without an invitation, or it was reloaded. For your safety the link is kept nowhere; nothing is lost, and opening it again works.");
