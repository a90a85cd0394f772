// Coming in as a user, by the link that an administrator was given.
import { ask, byId, form, isCutOff, show, showMessage, takeToken } from "./page.js";
import { nameOf, sessionKind } from "./login.js";

const token = takeToken();
const dead = ["This link is no longer good", "It works once, for a minute, and while the one who made it is logged in. Make a new one where you made this."];

async function enter() {
  const who = await ask("POST", "v1/public/login-as", { token, session: "cookie" });
  byId("done-title").textContent = `You are in as ${nameOf(who)}`;
  byId("done-email").textContent = who.user.email;
  byId("done-account").textContent = who.account?.name ?? "none";
  document.title = byId("done-title").textContent;
  show("done");
}

form("enter-form", {
  send: enter,
  ends(problem) {
    if (problem.code !== "link_dead" && !isCutOff(problem)) return false;
    showMessage(...dead);
    return true;
  },
});

if (!token) showMessage("Please make a new link", "This page was opened without one, or it was reloaded. For safety the link is kept nowhere.");
else if (sessionKind !== "cookie") showMessage("This browser keeps no session here", "Without https it does not keep the cookie that you would come in by. Open the link in another browser, or let https be set up for this service. The link is not spent.");
else show("enter");
