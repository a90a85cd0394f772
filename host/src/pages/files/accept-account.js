// Accepting an invitation to an account: as who is logged in, as a new user, or as one who logs in.
import { ask, byId, form, personComplaint, revealing, sentence, show, showInstant, showMessage, wrongLength } from "./page.js";
import { askAs, logOut, loginForms, nameOf, sessionKind, somebodyElse, whoIsIn } from "./login.js";

const accept = "v1/public/invitations/accept";

export async function offerAccount(invitation, token, linkEnds) {
  const ends = (problem) => linkEnds(problem) || stands(problem, invitation, showWays);
  const acceptAs = async () => joined(await askAs("POST", accept, { token }), false);

  // What may fail comes first: whoever tries again starts from here.
  const [{ items }, who] = await Promise.all([ask("GET", "v1/public/account-permissions"), whoIsIn()]);
  byId("account-name").textContent = invitation.account;
  showInstant("account-expires", invitation.expires_at);
  listPermissions(items, invitation.permissions);

  const going = form("continue-form", { send: acceptAs, ends });
  const offerToContinue = (who) => {
    byId("continue-submit").textContent = `Accept as ${nameOf(who)}`;
    byId("continue-email").textContent = who.user.email;
    byId("continue").hidden = false;
    byId("ways").hidden = true;
    showAccount();
  };
  somebodyElse("not-me", showWays);

  form("change-form", {
    prefix: "own-",
    complaint: () => wrongLength(byId("own-password").value, 1),
    async send() {
      await askAs("PUT", "v1/client/me/password", { password: byId("own-password").value });
      await acceptAs();
    },
    ends(problem) {
      if (problem.code !== "confirmation_required") return ends(problem);
      // Whoever logged in long ago does it once more.
      showWays("known");
      knownOnes.say("Please log in again first.");
      return true;
    },
  });
  revealing("own-reveal", "own-password");
  somebodyElse("change-not-me", showWays);

  form("new-form", {
    prefix: "new-",
    within: "user.",
    complaint(name) {
      const input = byId(`new-${name}`);
      // How long it must be is a setting; the service says so.
      return name === "password" ? wrongLength(input.value, 1) : personComplaint(name, input);
    },
    async send() {
      const user = { password: byId("new-password").value };
      for (const name of ["email", "first_name", "last_name"]) user[name] = byId(`new-${name}`).value.trim();
      joined(await ask("POST", accept, { token, user, session: sessionKind }), true);
    },
    ends: (problem) => ends(problem) || isKnown(problem),
  });
  byId("new-email").value = invitation.email;
  revealing("new-reveal", "new-password");

  const knownOnes = loginForms({
    label: "Log in and accept",
    back: () => showWays("known"),
    async arrived(who) {
      try {
        await acceptAs();
      } catch (problem) {
        if (problem instanceof Error) throw problem;
        if (ends(problem)) return;
        offerToContinue(who);
        going.say(sentence(problem));
      }
    },
  });
  byId("known-login").value = invitation.email;
  const isKnown = (problem) => {
    if (problem.code !== "email_taken") return false;
    byId("known-login").value = byId("new-email").value.trim();
    showWays("known");
    knownOnes.say("Somebody has a login with this email address already. If that is you, log in with it. If not, go back and give another one.");
    byId("known-password").focus();
    return true;
  };

  for (const way of ["new", "known"]) byId(`way-${way}`).addEventListener("change", () => choose(way));
  choose("new");
  if (who) offerToContinue(who);
  else showWays();
}

function showAccount() {
  document.title = "Your invitation";
  show("account");
}

function showWays(way = "") {
  byId("continue").hidden = true;
  byId("ways").hidden = false;
  if (way) choose(way);
  showAccount();
}

function choose(way) {
  byId(`way-${way}`).checked = true;
  for (const one of ["new", "known"]) byId(`${one}-panel`).hidden = one !== way;
}

function listPermissions(items, slugs) {
  const permitted = items.filter(({ slug }) => slugs.includes(slug));
  const all = permitted.length === items.length;
  const few = permitted.length <= 4;
  byId("permissions").hidden = !permitted.length;
  byId("permissions-none").hidden = Boolean(permitted.length);
  byId("permissions").open = few;
  byId("permissions-summary").textContent = all ? "There you may do everything" : few ? "There you may" : `There you may do ${permitted.length} things`;
  byId("permissions-list").replaceChildren(...permitted.map(({ label, description }) => {
    const entry = document.createElement("li");
    const explained = document.createElement("span");
    explained.textContent = description;
    entry.append(label, explained);
    return entry;
  }));
}

// What stands in the way of whoever is logged in. The invitation is not spent by any of it.
function stands(problem, invitation, showWays) {
  const instead = { again: () => logOut(showWays), label: "I am somebody else" };
  switch (problem.code) {
    case "on_account_already":
      showMessage("You are on this account already", `There is nothing to accept: you act for ${invitation.account} as you are logged in.`, instead);
      return true;
    case "password_change_required":
      document.title = "Choose your own password";
      show("change");
      return true;
    case "second_factor_required":
      showMessage("Enrol a second factor first", "Without one your login can do nothing else. An authenticator app or a security key will do. Then open the link from your mail again: it still works.", instead);
      return true;
    case "login_as_refused":
      showMessage("You are here as somebody else", "You came in as this user by an administrator's link, and only they themselves accept invitations.", instead);
      return true;
    default:
      return false;
  }
}

function joined(answer, isNew) {
  for (const input of document.querySelectorAll('input[name="password"]')) input.value = "";
  const { user, account, pending } = answer;
  byId("joined-title").textContent = `Welcome, ${user.first_name || nameOf(answer)}`;
  byId("joined-account").textContent = account?.name ?? "";
  byId("joined-name").textContent = nameOf(answer);
  byId("joined-email").textContent = user.email;
  byId("joined-here").hidden = sessionKind !== "cookie";
  byId("joined-verify").hidden = !isNew;
  const enrol = pending.includes("enrol_second_factor");
  byId("joined-enrol").hidden = !enrol;
  byId("joined-next").hidden = enrol;
  document.title = "Welcome";
  show("joined");
}
