//! Networks of addresses: what is banned, what is trusted, what is counted together.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The part of an IPv6 address that names a customer rather than one of their devices (RFC 6177): whoever has one address
/// of it has them all.
const IPV6_NEIGHBOURS: u8 = 64;

/// A network in CIDR notation (RFC 4632), its host bits cleared. An IPv4 address mapped into IPv6 (RFC 4291, section
/// 2.5.5.2) is the IPv4 address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpNet);

/// Why a text names no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("\"{0}\" is neither an IP address nor a network such as 192.0.2.0/24 or 2001:db8::/32")]
    Address(String),
    #[error("\"{text}\" has no valid length behind the slash: 0 to {most}")]
    Length { text: String, most: u8 },
}

impl Network {
    /// What is counted together with `address`: itself, or its /64 if it is IPv6.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(Ipv4Net::from(v4).into()),
            v6 => Self::new(v6, IPV6_NEIGHBOURS).unwrap_or(Self(v6.into())),
        }
    }

    /// As people name somebody to keep out: a lone IPv6 address stands for its /64, because that somebody has the others too.
    pub fn to_keep_out(text: &str) -> Result<Self, Malformed> {
        match text.trim().parse::<IpAddr>() {
            Ok(address) => Ok(Self::of(address)),
            Err(_) => text.parse(),
        }
    }

    /// `None` if there are not that many bits.
    fn new(address: IpAddr, length: u8) -> Option<Self> {
        // Below the 96 bits that all mapped addresses share it is a network of IPv6, whatever else is in it.
        let (address, length) = match (address.to_canonical(), address) {
            (v4 @ IpAddr::V4(_), IpAddr::V6(_)) if length >= 96 => (v4, length - 96),
            (IpAddr::V4(_), v6 @ IpAddr::V6(_)) => (v6, length),
            (canonical, _) => (canonical, length),
        };
        IpNet::new(address, length).ok().map(|network| Self(network.trunc()))
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether the two have any address in common.
    pub fn overlaps(&self, other: &Network) -> bool {
        self.0.contains(&other.0) || other.0.contains(&self.0)
    }

    /// Whether every address of the other is one of these.
    pub fn covers(&self, other: &Network) -> bool {
        self.0.contains(&other.0)
    }

    /// The first address as text that sorts as addresses do, see [`ordered`].
    pub fn first(&self) -> String {
        ordered(self.0.network())
    }

    /// The last address, likewise.
    pub fn last(&self) -> String {
        ordered(self.0.broadcast())
    }
}

/// An address as text that sorts as addresses do, the same in every database: `first <= $1 AND $1 <= last`. The digit in
/// front keeps IPv4 apart from the IPv6 networks around the addresses that it is mapped to; 32 hexadecimal digits follow.
pub fn ordered(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => format!("4{:032x}", u32::from(v4)),
        IpAddr::V6(v6) => format!("6{:032x}", u128::from(v6)),
    }
}

impl FromStr for Network {
    type Err = Malformed;

    /// An address alone is a network of one.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let text = text.trim();
        // What is repeated to whoever wrote it stays a part of one line.
        let shown = || text.chars().filter(|c| !c.is_control()).take(60).collect::<String>();
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| Malformed::Address(shown()))?;
        let most = if address.is_ipv4() {
            Ipv4Net::default().max_prefix_len()
        } else {
            Ipv6Net::default().max_prefix_len()
        };
        let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        let length = match length {
            Some(length) => Some(length).filter(digits).and_then(|length| length.parse().ok()),
            None => Some(most),
        };
        length
            .and_then(|length| Self::new(address, length))
            .ok_or_else(|| Malformed::Length { text: shown(), most })
    }
}

impl fmt::Display for Network {
    /// As it is read; a network of one without its length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Network {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Network".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "An IP address, or a network in CIDR notation.",
            "examples": ["192.0.2.0/24", "2001:db8::/32", "192.0.2.7"],
        })
    }
}

// Stored as text, the same on both databases.
impl<DB: sqlx::Database> sqlx::Type<DB> for Network
where
    String: sqlx::Type<DB>,
{
    fn type_info() -> DB::TypeInfo {
        <String as sqlx::Type<DB>>::type_info()
    }

    fn compatible(ty: &DB::TypeInfo) -> bool {
        <String as sqlx::Type<DB>>::compatible(ty)
    }
}

impl<'q, DB: sqlx::Database> sqlx::Encode<'q, DB> for Network
where
    String: sqlx::Encode<'q, DB>,
{
    fn encode_by_ref(
        &self,
        buffer: &mut DB::ArgumentBuffer,
    ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
        self.to_string().encode(buffer)
    }
}

impl<'r, DB: sqlx::Database> sqlx::Decode<'r, DB> for Network
where
    &'r str: sqlx::Decode<'r, DB>,
{
    fn decode(value: DB::ValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
        Ok(<&'r str as sqlx::Decode<'r, DB>>::decode(value)?.parse()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_lose_their_host_bits_and_their_disguise() {
        for (text, plain) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7/32", "192.0.2.7"),
            (" 192.0.2.7/24 ", "192.0.2.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8::7", "2001:db8::7"),
            ("2001:db8:0:1:2:3:4:5/64", "2001:db8:0:1::/64"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:0:0/95", "::fffe:0:0/95"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(network(text).to_string(), plain, "{text}");
            assert_eq!(network(plain), network(text));
            assert_eq!(serde_json::to_string(&network(text)).unwrap(), format!("\"{plain}\""));
        }
    }

    #[test]
    fn what_names_no_network_is_refused_with_the_reason() {
        for text in [
            "",
            "/24",
            "localhost",
            "192.0.2",
            "192.0.2.0-192.0.2.9",
            "010.0.0.1",
            "fe80::1%eth0",
            "1.2.3.4:80",
        ] {
            let refused = text.parse::<Network>().unwrap_err();
            assert!(refused.to_string().contains("neither an IP address nor"), "{text}: {refused}");
        }
        for (text, most) in [
            ("192.0.2.0/33", 32),
            ("192.0.2.0/", 32),
            ("192.0.2.0/+8", 32),
            ("::/129", 128),
            ("::/a", 128),
            ("::/9999", 128),
        ] {
            let refused = text.parse::<Network>().unwrap_err();
            assert_eq!(refused, Malformed::Length { text: text.into(), most }, "{text}");
        }
        assert!(!"a\nb\u{1b}[2J".parse::<Network>().unwrap_err().to_string().contains(char::is_control));
    }

    #[test]
    fn neighbours_in_ipv6_are_one_and_in_ipv4_are_many() {
        assert_eq!(Network::of(address("2001:db8::1")), network("2001:db8::/64"));
        assert_eq!(
            Network::of(address("2001:db8::1")),
            Network::of(address("2001:db8::ffff:ffff:ffff:ffff"))
        );
        assert_ne!(Network::of(address("2001:db8::1")), Network::of(address("2001:db8:0:1::1")));
        assert_eq!(Network::of(address("192.0.2.7")), network("192.0.2.7"));
        assert_eq!(Network::of(address("::ffff:192.0.2.7")), network("192.0.2.7"), "not everybody's /64");
        assert_eq!(Network::to_keep_out("2001:db8::1").unwrap(), network("2001:db8::/64"));
        assert_eq!(Network::to_keep_out("2001:db8::1/128").unwrap(), network("2001:db8::1"));
        assert_eq!(Network::to_keep_out("192.0.2.7").unwrap(), network("192.0.2.7"));
        assert!(Network::to_keep_out("neighbour").is_err());
    }

    /// The order of the text answers as the network itself does, also across the two families.
    #[test]
    fn text_sorts_as_addresses_do() {
        let addresses =
            ["0.0.0.0", "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0", "255.255.255.255"]
                .into_iter()
                .chain([
                    "::",
                    "::1",
                    "::ffff:10.1.2.3",
                    "2001:db8::",
                    "2001:db8::ffff:0:0:1",
                    "2001:db8:0:1::",
                    "ffff::1",
                ]);
        for address in addresses.map(address) {
            for network in
                ["10.0.0.0/8", "10.1.2.3", "0.0.0.0/0", "::/0", "::/64", "2001:db8::/64", "ffff::1"]
                    .map(network)
            {
                let text = ordered(address);
                let between = network.first() <= text && text <= network.last();
                assert_eq!(between, network.contains(address), "{address} in {network}");
                assert_eq!(text.len(), 33);
            }
        }
    }

    #[test]
    fn networks_overlap_when_one_holds_the_other() {
        assert!(network("10.0.0.0/8").overlaps(&network("10.1.0.0/16")));
        assert!(network("10.1.0.0/16").overlaps(&network("10.0.0.0/8")));
        assert!(!network("10.0.0.0/8").overlaps(&network("11.0.0.0/8")));
        assert!(!network("0.0.0.0/0").overlaps(&network("::/0")));
    }
}
