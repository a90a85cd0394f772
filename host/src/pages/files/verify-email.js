// Verifying an email address by the link that was mailed there. Opening the page spends nothing, nor does a scanner of mails
// that runs its script: whoever verifies is logged in and presses a button.
import { byId, form, isCutOff, sentence, show, showMessage, takeToken } from "./page.js";
import { askAs, logOut, loginForms, nameOf, somebodyElse, whoIsIn } from "./login.js";

const token = takeToken();
let who = null;

function showLogin() {
  who = null;
  document.title = "Verify your email address";
  show("login");
}

const verified = () => who.user.email_verified;

function done() {
  byId("done-email").textContent = who.user.email;
  document.title = "Your address is verified";
  show("done");
}

function showConfirm() {
  byId("confirm-name").textContent = nameOf(who);
  byId("confirm-email").textContent = who.user.email;
  document.title = "Verify your email address";
  show("confirm");
}

function showDead() {
  byId("dead-name").textContent = nameOf(who);
  byId("dead-email").textContent = who.user.email;
  byId("dead-title").textContent = token ? "This link is no longer good" : "Verify your email address";
  byId("dead-why").hidden = !token;
  document.title = byId("dead-title").textContent;
  show("dead");
}

async function confirm() {
  await askAs("POST", "v1/client/me/email-verification/confirm", { token });
  done();
}

function ends(problem) {
  if (problem.code === "link_dead" || isCutOff(problem)) {
    showDead();
    return true;
  }
  return cannot(problem);
}

// What another link would not help.
function cannot(problem) {
  if (problem.code === "login_as_refused") {
    showMessage("You are here as somebody else", "You came in as this user by an administrator's link, and only they themselves verify their address.", { again: () => logOut(showLogin), label: "I am somebody else" });
    return true;
  }
  if (problem.code !== "login_required") return false;
  showLogin();
  logins.say("Your session has ended. Please log in again.");
  return true;
}

async function resend() {
  await askAs("POST", "v1/client/me/email-verification");
  showMessage("Look into your mail", `A new link is on its way to ${who.user.email}. It works once and for an hour; the earlier ones are dead.`, {
    detail: "Nothing there after a few minutes? Look among the unwanted mail.",
  });
}

const confirming = form("confirm-form", { send: confirm, ends });
form("resend-form", { send: resend, ends: cannot });
for (const button of ["confirm-not-me", "dead-not-me"]) somebodyElse(button, showLogin);
const logins = loginForms({
  label: "Log in and verify",
  back: showLogin,
  async arrived(answer) {
    who = answer;
    if (verified()) return done();
    if (!token) return showDead();
    try {
      await confirm();
    } catch (problem) {
      if (problem instanceof Error) throw problem;
      if (ends(problem)) return;
      showConfirm();
      confirming.say(sentence(problem));
    }
  },
});

async function start() {
  show("loading");
  try {
    who = await whoIsIn();
  } catch (problem) {
    if (problem instanceof Error) throw problem;
    return showMessage("That did not work", sentence(problem), { again: start });
  }
  if (!who) showLogin();
  else if (verified()) done();
  else if (token) showConfirm();
  else showDead();
}

if (token) start();
else showMessage("Please open the link from your mail again", "This page was opened without a link, or it was reloaded. For your safety the link is kept nowhere; nothing is lost, and opening it again works.", { again: start, label: "Send me another link" });
