// Accepting an invitation to join the staff.
import { byId, form, personComplaint, post, revealing, show, showInstant, wrongLength } from "./page.js";

const fieldNames = ["email", "first_name", "last_name", "username", "password"];

export function offerStaff(invitation, token, ends) {
  const needed = (name) => invitation.needs.includes(name);
  fillIn(invitation, needed);
  form("form", {
    asks: needed,
    complaint,
    ends,
    send: async () => {
      const body = { token, session: "cookie" };
      for (const name of fieldNames.filter(needed)) {
        body[name] = name === "password" ? byId(name).value : byId(name).value.trim();
      }
      const answer = await post("v1/public/invitations/accept", body);
      byId("password").value = "";
      welcome(invitation, answer.staff ?? {}, answer.pending ?? []);
    },
  });
  revealing("reveal", "password");
  show("invitation");
}

function fillIn(invitation, needed) {
  if (invitation.role) {
    byId("role").textContent = invitation.role;
    byId("as-role").hidden = false;
  }
  showInstant("expires", invitation.expires_at);
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
    default:
      return personComplaint(name, byId(name));
  }
}

function welcome(invitation, staff, pending) {
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
