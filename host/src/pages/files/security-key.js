// Asking a security key (WebAuthn). What is binary travels as base64url.

export const keysWork = () => Boolean(window.PublicKeyCredential && navigator.credentials?.get);

// Answers the credential as the service wants it, or throws a problem.
export async function askKey({ publicKey }) {
  const allowCredentials = (publicKey.allowCredentials ?? []).map((key) => ({ ...key, id: bytes(key.id) }));
  let given;
  try {
    given = await navigator.credentials.get({ publicKey: { ...publicKey, challenge: bytes(publicKey.challenge), allowCredentials } });
  } catch {
    throw { status: 0, code: "key_silent", detail: "The security key did not answer, or you cancelled. Please try again." };
  }
  const { authenticatorData, clientDataJSON, signature, userHandle } = given.response;
  return {
    id: given.id,
    rawId: text(given.rawId),
    type: given.type,
    response: {
      authenticatorData: text(authenticatorData),
      clientDataJSON: text(clientDataJSON),
      signature: text(signature),
      userHandle: userHandle && text(userHandle),
    },
    extensions: given.getClientExtensionResults(),
  };
}

const bytes = (base64url) => Uint8Array.from(atob(base64url.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
