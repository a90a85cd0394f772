//! SMTP: lettre's client on connections of our own pool.
//!
//! lettre's async pool puts no bound on a command and takes back connections whose sending was cancelled in
//! the middle of a message. Here every step has the configured timeout, and a connection goes back only
//! after a complete conversation. TLS, where asked for, is never given up.

mod errors;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::{Envelope, MailError};
use crate::config::{Smtp, SmtpTls};
use errors::{Stage, Trouble};

/// Servers commonly close idle connections after a minute or more.
const IDLE: Duration = Duration::from_secs(45);
/// All steps of a message together, in `timeout_s`: each recipient is a step, and a server that answers each of them
/// just in time would hold a connection for an hour. With the default of 30 s that is five minutes.
const STEPS: u32 = 10;

pub struct SmtpTransport {
    config: Smtp,
    tls: Option<TlsParameters>,
    hello: ClientId,
    /// For a message, from waiting for a connection to the server's last answer.
    total: Duration,
    idle: Mutex<Vec<Idle>>,
    /// Bounds the connections in use, as most servers bound them per client.
    slots: Semaphore,
}

struct Idle {
    connection: AsyncSmtpConnection,
    since: Instant,
}

impl fmt::Debug for SmtpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpTransport").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Whether a transport could be built from this, without building one.
pub fn check(config: &Smtp) -> Result<(), MailError> {
    tls_parameters(config).map(|_| ())
}

fn tls_parameters(config: &Smtp) -> Result<Option<TlsParameters>, MailError> {
    let mut builder = TlsParameters::builder(config.host.clone());
    if let Some(file) = &config.ca_file {
        let unusable = |why: String| {
            MailError::misconfigured(format!("smtp.ca_file names {}, which {why}", file.display()))
        };
        let pem = std::fs::read(file).map_err(|error| unusable(format!("cannot be read: {error}")))?;
        let certificate = Certificate::from_pem(&pem).map_err(|_| unusable("is not valid PEM".to_owned()))?;
        if !pem.windows(27).any(|window| window == b"-----BEGIN CERTIFICATE-----") {
            return Err(unusable("holds no certificate".to_owned()));
        }
        builder = builder.add_root_certificate(certificate);
    }
    if config.tls == SmtpTls::None {
        return Ok(None);
    }
    let parameters = builder.build_rustls();
    parameters.map(Some).map_err(|error| MailError::misconfigured(format!("TLS cannot be set up: {error}")))
}

impl SmtpTransport {
    pub fn new(config: &Smtp) -> Result<Self, MailError> {
        Ok(Self {
            tls: tls_parameters(config)?,
            hello: ClientId::default(),
            total: config.timeout.saturating_mul(STEPS),
            idle: Mutex::new(Vec::new()),
            slots: Semaphore::new(usize::try_from(config.connections).unwrap_or(Semaphore::MAX_PERMITS)),
            config: config.clone(),
        })
    }

    /// Ends within [`STEPS`] times the configured timeout, whatever the server does.
    pub(super) async fn submit(&self, envelope: &Envelope, message: &[u8]) -> Result<String, MailError> {
        let handed = timeout(self.total, self.hand_over(envelope, message)).await;
        handed.unwrap_or(Err(Trouble::Slow(self.total))).map_err(|trouble| trouble.explain(&self.config))
    }

    async fn hand_over(&self, envelope: &Envelope, message: &[u8]) -> Result<String, Trouble> {
        let _slot = self.slots.acquire().await.expect("the semaphore is never closed");
        let (mut connection, options) = self.connection(envelope, message).await?;
        // From here on an error drops the connection, which closes it: the server forgets what was begun.
        let response = self.converse(&mut connection, envelope, options, message).await?;
        self.park(connection);
        Ok(errors::one_line(&response.message().collect::<Vec<_>>().join(" ")))
    }

    async fn converse(
        &self,
        connection: &mut AsyncSmtpConnection,
        envelope: &Envelope,
        options: Vec<MailParameter>,
        message: &[u8],
    ) -> Result<Response, Trouble> {
        let envelope = &envelope.inner;
        let mail = Mail::new(envelope.from().cloned(), options);
        self.step(Stage::Sender, connection.command(mail)).await?;
        for recipient in envelope.to() {
            let rcpt = Rcpt::new(recipient.clone(), Vec::new());
            self.step(Stage::Recipient, connection.command(rcpt)).await?;
        }
        self.step(Stage::Message, connection.command(Data)).await?;
        self.step(Stage::Message, connection.message(message)).await
    }

    /// A connection that is ready for this message, and the options its MAIL command needs.
    async fn connection(
        &self,
        envelope: &Envelope,
        message: &[u8],
    ) -> Result<(AsyncSmtpConnection, Vec<MailParameter>), Trouble> {
        let connection = match self.unpark().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let mut options = Vec::new();
        let server = connection.server_info();
        if !envelope.is_ascii() {
            if !server.supports_feature(Extension::SmtpUtfEight) {
                return Err(Trouble::Unable("takes no addresses with letters beyond ASCII (no SMTPUTF8)"));
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        if !message.is_ascii() {
            if !server.supports_feature(Extension::EightBitMime) {
                return Err(Trouble::Unable("takes no messages with bytes beyond ASCII (no 8BITMIME)"));
            }
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok((connection, options))
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Trouble> {
        let Smtp { host, port, tls, login, .. } = &self.config;
        let mut connection = if *tls == SmtpTls::Tls {
            let address = (host.as_str(), *port);
            let connect =
                AsyncSmtpConnection::connect_tokio1(address, None, &self.hello, self.tls.clone(), None);
            self.step(Stage::Connect, connect).await?
        } else {
            let stream = timeout(self.config.timeout, TcpStream::connect((host.as_str(), *port))).await;
            let stream =
                stream.map_err(|_| Trouble::TimedOut(Stage::Connect))?.map_err(Trouble::Unreachable)?;
            // lettre ends a message with a write of its own, which would wait for the server's delayed
            // acknowledgement of the one before: 40 ms a mail. With TLS from the start it leaves no choice.
            _ = stream.set_nodelay(true);
            let greet = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello);
            self.step(Stage::Connect, greet).await?
        };
        if *tls == SmtpTls::StartTls {
            let parameters = self.tls.clone().expect("parameters are built whenever TLS is asked for");
            if !connection.can_starttls() {
                return Err(Trouble::NoStartTls);
            }
            self.step(Stage::StartTls, connection.starttls(parameters, &self.hello)).await?;
        }
        if let Some(login) = login {
            if connection.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
                return Err(Trouble::NoLogin);
            }
            let credentials = Credentials::new(login.username.clone(), login.password.expose().to_owned());
            self.step(Stage::Login, connection.auth(DEFAULT_MECHANISMS, &credentials)).await?;
        }
        Ok(connection)
    }

    async fn step<T>(
        &self,
        stage: Stage,
        doing: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<T, Trouble> {
        match timeout(self.config.timeout, doing).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(Trouble::Failed(stage, error)),
            Err(_) => Err(Trouble::TimedOut(stage)),
        }
    }

    /// The most recently used connection that still answers.
    async fn unpark(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let Idle { mut connection, since } = self.idle_connections().pop()?;
            if since.elapsed() < IDLE
                && timeout(self.config.timeout, connection.test_connected()).await == Ok(true)
            {
                return Some(connection);
            }
        }
    }

    fn park(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle_connections();
        idle.retain(|parked| parked.since.elapsed() < IDLE);
        idle.push(Idle { connection, since: Instant::now() });
    }

    fn idle_connections(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
