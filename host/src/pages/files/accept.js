// Accepting an invitation: looks up to what it is, and hands over to the form for that.
import { isCutOff, post, sentence, show, showMessage, takeToken } from "./page.js";
import { offerAccount } from "./accept-account.js";
import { offerStaff } from "./accept-staff.js";

const token = takeToken();

const endings = {
  invitation_unknown: ["This link is not valid", "Please check that you opened the whole link from your mail. If it still does not work, ask the person who invited you for a new one."],
  invitation_expired: ["This invitation has expired", "Ask the person who invited you to send it again. You will get a new link."],
  invitation_replaced: ["There is a newer invitation", "This link was replaced by a later one. Please use the link in the latest mail."],
  invitation_cancelled: ["This invitation was withdrawn", "If you did not expect that, talk to the person who invited you."],
  invitation_used: ["This invitation has already been used", "If that was you, log in as you chose then. If it was not, tell the person who invited you at once."],
};

// Whether the link itself is over, which is said then.
function ends(problem) {
  const ending = isCutOff(problem) ? endings.invitation_unknown : endings[problem.code];
  if (!ending) return false;
  for (const input of document.querySelectorAll('input[name="password"]')) input.value = "";
  showMessage(...ending);
  return true;
}

async function lookUp() {
  show("loading");
  try {
    const invitation = await post("v1/public/invitations/lookup", { token });
    await (invitation.kind === "account" ? offerAccount : offerStaff)(invitation, token, ends);
  } catch (problem) {
    if (problem instanceof Error) throw problem;
    if (!ends(problem)) showMessage("That did not work", sentence(problem), { again: lookUp });
  }
}

if (token) lookUp();
else showMessage("Please open the link from your mail again", "This page was opened without an invitation, or it was reloaded. For your safety the link is kept nowhere; nothing is lost, and opening it again works.");
