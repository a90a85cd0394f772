//! From where a request comes: the peer, unless that is a proxy that is trusted to say for whom it calls.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, header};
use frontdesk_core::{network::Network, time::Timestamp};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// How often the log says that something stands in front which is not configured.
const REMIND_EVERY: Duration = Duration::from_secs(60 * 60);

/// From where a request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress {
    pub address: IpAddr,
    /// The address is a proxy's and who stands behind it is not known: nothing is banned or counted by it, because that
    /// would hit everybody behind the proxy.
    pub behind_unknown_proxy: bool,
}

/// Who may say for whom they call.
#[derive(Debug)]
pub(super) struct Proxies {
    /// `None`: nobody has decided.
    trusted: Option<Vec<Network>>,
    /// When the log last said that this should be decided, in milliseconds since the Unix epoch.
    reminded_at: AtomicI64,
}

impl Proxies {
    pub(super) fn new(trusted: Option<Vec<Network>>) -> Self {
        Self { trusted, reminded_at: AtomicI64::new(i64::MIN) }
    }

    /// Where a request from `peer` with `headers` comes from. Says so in the log, at most once an hour, where that
    /// cannot be known for want of a setting.
    pub(super) fn client_address(&self, peer: IpAddr, headers: &HeaderMap, now: Timestamp) -> ClientAddress {
        let client = resolve(peer, headers, self.trusted.as_deref());
        if client.behind_unknown_proxy && says_for_whom(headers) && self.is_time_to_remind(now) {
            let setting = "trusted_proxies";
            match self.trusted {
                None => tracing::warn!(
                    %peer, setting,
                    "requests come through a proxy that trusted_proxies does not name: whoever comes through it is \
                     neither counted nor banned by address; set trusted_proxies to its address, or to [] if there is none"
                ),
                Some(_) => tracing::warn!(
                    %peer, setting,
                    "a proxy that trusted_proxies names does not add the caller's address to X-Forwarded-For: whoever \
                     comes through it is neither counted nor banned by address; let it add that header"
                ),
            }
        }
        client
    }

    fn is_time_to_remind(&self, now: Timestamp) -> bool {
        let before = self.reminded_at.load(Ordering::Relaxed);
        let due = now.since(Timestamp::from_millis(before)) >= REMIND_EVERY;
        due && self
            .reminded_at
            .compare_exchange(before, now.as_millis(), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

/// The headers by which a proxy shows: the common one, the standard one (RFC 7239), and nginx's.
fn says_for_whom(headers: &HeaderMap) -> bool {
    [X_FORWARDED_FOR, header::FORWARDED, X_REAL_IP].iter().any(|name| headers.contains_key(name))
}

fn resolve(peer: IpAddr, headers: &HeaderMap, trusted: Option<&[Network]>) -> ClientAddress {
    let peer = peer.to_canonical();
    let Some(trusted) = trusted else {
        return ClientAddress { address: peer, behind_unknown_proxy: says_for_whom(headers) };
    };
    let is_trusted = |address| trusted.iter().any(|network| network.contains(address));
    let mut address = peer;
    // Each proxy adds, at the right end, whom it was called by. What stands left of the first that is nobody's we trust
    // was written by that nobody.
    let lines: Vec<_> = headers.get_all(X_FORWARDED_FOR).iter().collect();
    let mut hops = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    while is_trusted(address) {
        // Nothing said, or nothing that can be read: the proxy itself calls, as far as anybody can tell.
        let Some(hop) = hops.next().and_then(hop) else {
            return ClientAddress { address, behind_unknown_proxy: true };
        };
        address = hop;
    }
    ClientAddress { address, behind_unknown_proxy: false }
}

/// One entry of `X-Forwarded-For`: `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::7`, `[2001:db8::7]`, `[2001:db8::7]:4711`.
fn hop(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?.trim();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let address = text
        .parse()
        .ok()
        .or_else(bracketed)
        .or_else(|| text.parse::<SocketAddr>().ok().map(|hop| hop.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .fold(HeaderMap::new(), |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            })
    }

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// With one proxy before another, as `peer` sees it.
    fn behind(peer: &str, forwarded: &[&'static str]) -> String {
        let lines: Vec<_> = forwarded.iter().map(|line| ("x-forwarded-for", *line)).collect();
        let trusted = networks(&["127.0.0.1", "10.0.0.0/8", "fd00::/8"]);
        let client = resolve(peer.parse().unwrap(), &headers(&lines), Some(&trusted));
        format!("{}{}", client.address, if client.behind_unknown_proxy { " ?" } else { "" })
    }

    #[test]
    fn a_trusted_proxy_says_for_whom_it_calls() {
        assert_eq!(behind("127.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(behind("::ffff:127.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        for written in ["192.0.2.7:4711", " 192.0.2.7 ", "::ffff:192.0.2.7", "[::ffff:192.0.2.7]:4711"] {
            assert_eq!(behind("127.0.0.1", &[written]), "192.0.2.7", "{written}");
        }
        for written in ["2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:4711", "\t2001:DB8:0::7"] {
            assert_eq!(behind("127.0.0.1", &[written]), "2001:db8::7", "{written}");
        }
    }

    #[test]
    fn nobody_else_is_believed() {
        assert_eq!(behind("192.0.2.7", &["198.51.100.1"]), "192.0.2.7");
        assert_eq!(behind("192.0.2.7", &["127.0.0.1"]), "192.0.2.7", "nor that they are a proxy");
        assert_eq!(behind("127.0.0.2", &["198.51.100.1"]), "127.0.0.2");
        let decided =
            resolve("192.0.2.7".parse().unwrap(), &headers(&[("forwarded", "for=198.51.100.1")]), Some(&[]));
        assert_eq!(
            decided,
            ClientAddress { address: "192.0.2.7".parse().unwrap(), behind_unknown_proxy: false }
        );
    }

    /// What a caller writes stands left of what the first trusted proxy adds about that caller.
    #[test]
    fn a_caller_cannot_pass_for_another() {
        assert_eq!(behind("127.0.0.1", &["198.51.100.1, 192.0.2.7"]), "192.0.2.7");
        assert_eq!(behind("127.0.0.1", &["198.51.100.1", "192.0.2.7"]), "192.0.2.7", "in two lines");
        assert_eq!(behind("127.0.0.1", &["198.51.100.1, 192.0.2.7, 10.0.0.2"]), "192.0.2.7");
        assert_eq!(behind("127.0.0.1", &["198.51.100.1, 192.0.2.7", "fd00::2, 10.0.0.2"]), "192.0.2.7");
        assert_eq!(behind("127.0.0.1", &["127.0.0.1, 10.0.0.9, 192.0.2.7, 10.0.0.2"]), "192.0.2.7");
        assert_eq!(behind("127.0.0.1", &["garbage, , 192.0.2.7"]), "192.0.2.7");
    }

    #[test]
    fn where_a_proxy_does_not_say_nobody_is_blamed() {
        for forwarded in
            [&[][..], &[""], &["unknown"], &["192.0.2.7, unknown"], &["192.0.2.7,"], &["192.0.2.7:x"]]
        {
            assert_eq!(behind("127.0.0.1", forwarded), "127.0.0.1 ?", "{forwarded:?}");
        }
        assert_eq!(behind("127.0.0.1", &["unknown, 10.0.0.2"]), "10.0.0.2 ?");
        assert_eq!(behind("127.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3 ?");
    }

    #[test]
    fn while_nobody_has_decided_a_forwarding_header_tells_of_a_proxy_and_nothing_more() {
        let peer = "192.0.2.7".parse().unwrap();
        for name in ["x-forwarded-for", "forwarded", "x-real-ip"] {
            let client = resolve(peer, &headers(&[(name, "198.51.100.1")]), None);
            assert_eq!(client, ClientAddress { address: peer, behind_unknown_proxy: true }, "{name}");
        }
        let plain = resolve(peer, &headers(&[("via", "1.1 a")]), None);
        assert_eq!(plain, ClientAddress { address: peer, behind_unknown_proxy: false });
    }

    #[test]
    fn the_log_reminds_once_an_hour() {
        let proxies = Proxies::new(None);
        let now = Timestamp::from_millis(1_767_225_600_000);
        assert!(proxies.is_time_to_remind(now) && !proxies.is_time_to_remind(now));
        let nearly = now.plus(REMIND_EVERY - Duration::from_millis(1));
        assert!(!proxies.is_time_to_remind(nearly) && proxies.is_time_to_remind(now.plus(REMIND_EVERY)));
    }
}
