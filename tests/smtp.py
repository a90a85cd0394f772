"""An SMTP server nobody here wrote (aiosmtpd), as the end-to-end tests need it.

Prints its port, keeps every message as NNNNNN.eml with its envelope as NNNNNN.json beside it, and stops when its standard
input closes, so that it never outlives the test. A recipient called nobody@ is refused for good, one called later@ for now.
"""

import argparse
import asyncio
import json
import os
import ssl
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult


class Keep:
    def __init__(self, directory, hold, gate, implicit_tls):
        self.directory = directory
        self.hold = hold
        self.gate = gate
        self.implicit_tls = implicit_tls
        self.count = len(list(directory.glob("*.eml")))

    async def handle_RCPT(self, server, session, envelope, address, options):
        local_part = address.split("@")[0]
        if local_part == "nobody":
            return "550 5.1.1 there is nobody of that name"
        if local_part == "later":
            return "450 4.2.1 that mailbox is busy"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        name = f"{self.count:06}"
        about = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": self.implicit_tls or session.ssl is not None,
            "login": session.auth_data if session.authenticated else None,
        }
        (self.directory / f"{name}.eml").write_bytes(envelope.original_content)
        # The envelope last, under its final name in one step: who sees it finds both files whole.
        partial = self.directory / f"{name}.partial"
        partial.write_text(json.dumps(about))
        partial.rename(self.directory / f"{name}.json")
        if self.hold:
            await asyncio.Event().wait()
        while self.gate and not self.gate.exists():
            await asyncio.sleep(0.01)
        return f"250 kept as {name}"


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=Path, required=True, help="where messages are kept")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", choices=["none", "starttls", "implicit"], default="none")
    parser.add_argument("--cert", help="PEM, for TLS")
    parser.add_argument("--key", help="PEM, for TLS")
    parser.add_argument("--login", help="NAME:PASSWORD; without it anybody may send")
    parser.add_argument("--hold", action="store_true", help="keep the message, but never answer that it was taken")
    parser.add_argument("--gate", type=Path, help="keep the message, but answer only once this file exists")
    options = parser.parse_args()

    context = None
    if options.tls != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert, options.key)
    handler = Keep(options.messages, options.hold, options.gate, options.tls == "implicit")

    def authenticate(server, session, envelope, mechanism, data):
        given = f"{data.login.decode()}:{data.password.decode()}"
        return AuthResult(success=given == options.login, auth_data=data.login.decode())

    def session():
        starttls = options.tls == "starttls"
        return SMTP(
            handler,
            hostname="mail.example.test",
            tls_context=context if starttls else None,
            require_starttls=starttls,
            auth_required=options.login is not None,
            auth_require_tls=starttls,
            authenticator=authenticate if options.login else None,
            loop=loop,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        session, "127.0.0.1", options.port, ssl=context if options.tls == "implicit" else None
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    # Not asyncio.run's orderly end: connections that --hold keeps open would keep the process alive.
    os._exit(0)


asyncio.run(main())
