// Logging in as a user, for the pages that need somebody: who is in already, the password, the second factor.
import { ask, byId, form, revealing, show, showMessage, sentence } from "./page.js";
import { askKey, keysWork } from "./security-key.js";

// How a session's token is to travel. Without https it is up to the browser whether it keeps a cookie as strict as ours;
// one that does not gets the token into this script's memory, where it ends with the page.
export const sessionKind = keepsCookies() ? "cookie" : "token";
let bearer = null;

function keepsCookies() {
  const probe = "__Host-frontdesk-probe=kept";
  document.cookie = `${probe}; Path=/; Secure; SameSite=Strict; Max-Age=60`;
  const kept = document.cookie.includes(probe);
  document.cookie = `${probe}; Path=/; Secure; SameSite=Strict; Max-Age=0`;
  return kept;
}

// Asks the service as whoever is logged in.
export async function askAs(method, path, body) {
  const answer = await ask(method, path, body, bearer);
  if (answer.token) bearer = answer.token;
  return answer;
}

// Who is logged in on this browser, or null.
export async function whoIsIn() {
  try {
    return await askAs("GET", "v1/client/session");
  } catch (problem) {
    if (problem.status === 401) return null;
    throw problem;
  }
}

export const nameOf = ({ user }) => `${user.first_name} ${user.last_name}`.trim() || user.email;

// A button for whoever is somebody else than who is logged in.
export function somebodyElse(buttonId, then) {
  byId(buttonId).addEventListener("click", () => logOut(then));
}

// Ends the session of this browser, then goes on.
export async function logOut(then) {
  show("loading");
  try {
    await askAs("DELETE", "v1/client/session");
  } catch (problem) {
    if (problem instanceof Error) throw problem;
    if (problem.status !== 401) return showMessage("That did not work", sentence(problem), { again: () => logOut(then) });
  }
  bearer = null;
  then();
}

// Wires the form for the password and those for the second factor.
//   back()         shows the form for the password
//   arrived(who)   somebody is logged in; what goes wrong from then on is its own to say
// Answers `say`, which says something above the form for the password.
export function loginForms({ label, back, arrived }) {
  let challenge = null;
  const methods = () => challenge.methods.filter((method) => method in ways && (method !== "security-key" || keysWork()));

  const password = form("login-form", {
    prefix: "known-",
    complaint(name) {
      if (byId(`known-${name}`).value.trim()) return "";
      return name === "login" ? "Please give your email address." : "Please give your password.";
    },
    async send() {
      const given = { login: byId("known-login").value.trim(), password: byId("known-password").value, session: sessionKind };
      const answer = await askAs("POST", "v1/client/session", given);
      byId("known-password").value = "";
      if (!answer.challenge) return arrived(answer);
      challenge = answer;
      if (methods().length) use(methods()[0]);
      else startAgain("Your second factor does not work at this address or in this browser. Please try another browser.");
    },
  });
  byId("login-form").querySelector(".primary").textContent = label;
  revealing("known-reveal", "known-password");
  byId("forgot").addEventListener("click", () => sendReset(password));

  const startAgain = (why) => {
    challenge = null;
    back();
    password.say(why);
  };

  const ways = {
    totp: { text: "Your password was right. Please give the code that your authenticator app shows.", label: "Code of the app", missing: "Please give the six digits.", button: "use-totp" },
    "security-key": { text: "Your password was right. Please have your security key at hand, and follow your browser.", button: "use-key" },
    recovery: { text: "Your password was right. Please give one of the recovery codes that you kept; each works once.", label: "Recovery code", missing: "Please give one of your recovery codes.", button: "use-recovery" },
  };
  let method = "totp";

  const use = (chosen) => {
    method = chosen;
    const way = ways[method];
    byId("second-factor-text").textContent = way.text;
    byId("key-form").hidden = method !== "security-key";
    byId("code-form").hidden = method === "security-key";
    byId("factor-label").textContent = way.label ?? "";
    byId("factor-code").value = "";
    byId("factor-code").inputMode = method === "totp" ? "numeric" : "text";
    codes.clear();
    key.clear();
    for (const [name, { button }] of Object.entries(ways)) byId(button).hidden = name === method || !methods().includes(name);
    document.title = "Your second factor";
    show("second-factor");
    if (method !== "security-key") byId("factor-code").focus();
  };
  for (const [name, { button }] of Object.entries(ways)) byId(button).addEventListener("click", () => use(name));
  byId("login-again").addEventListener("click", () => startAgain(""));

  const answer = async (given) => {
    const who = await askAs("POST", "v1/client/session/second-factor", { challenge: challenge.challenge, method, ...given, session: sessionKind })
      .catch((problem) => { throw inWordsOf(method, problem); });
    challenge = null;
    byId("factor-code").value = "";
    await arrived(who);
  };
  const ends = (problem) => {
    // What a key was asked is spent by its first answer, right or wrong.
    const spent = problem.code === "code_refused" && method === "security-key";
    if (problem.code !== "challenge_over" && !spent) return false;
    startAgain(spent ? "The security key was not accepted. Please log in again to try once more." : "That took too long. Please log in again.");
    return true;
  };
  const codes = form("code-form", {
    prefix: "factor-",
    complaint: () => (byId("factor-code").value.trim() ? "" : ways[method].missing),
    send: () => answer({ code: byId("factor-code").value.trim() }),
    ends,
  });
  const key = form("key-form", {
    send: async () => answer({ credential: await askKey(challenge.security_key) }),
    ends,
  });
  return password;
}

// A link by mail that sets a new password, for the address in the form.
async function sendReset(password) {
  const login = byId("known-login").value.trim();
  const sent = byId("forgot-sent");
  sent.hidden = true;
  password.clear();
  if (!login) {
    password.say("Please give your email address, and press this again.");
    return byId("known-login").focus();
  }
  try {
    await ask("POST", "v1/public/password-reset", { audience: "user", login });
  } catch (problem) {
    if (problem instanceof Error) throw problem;
    return password.say(sentence(problem));
  }
  sent.textContent = `If somebody has the login ${login}, a link that sets a new password is on its way there. Set it, then log in here: this page waits.`;
  sent.hidden = false;
}

// The service's words for a wrong code are those for an app's.
function inWordsOf(method, problem) {
  if (problem.code !== "code_refused" || method !== "recovery") return problem;
  return { ...problem, title: "This is none of your recovery codes, or it was used before", detail: "" };
}
