use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};

use super::problem::{Code, Problem};
use crate::config::http::HttpConfig;
use crate::types::Sku;

/// A request's query parameters, decoded.
///
/// An unknown or repeated one is refused: `atleast=3:42`, ignored, would answer with stale numbers that
/// look fresh.
#[derive(Debug, Default)]
pub struct Parameters(BTreeMap<&'static str, String>);

impl Parameters {
    /// # Errors
    /// A [`Problem`] that names the parameter and what may stand there.
    pub fn parse(query: Option<&str>, known: &[&'static str]) -> Result<Self, Problem> {
        let mut found = BTreeMap::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name, true).ok_or_else(|| unreadable("the query"))?;
            let Some(known_name) = known.iter().find(|known| **known == name) else {
                let may = if known.is_empty() { "this path takes none".to_owned() } else { known.join(", ") };
                let shown: String = name.chars().take(64).collect();
                return Err(Problem::new(
                    Code::InvalidParameter,
                    format!("unknown query parameter {shown:?}; known here: {may}"),
                )
                .with("parameter", shown));
            };
            let value =
                decode(value, true).ok_or_else(|| invalid(known_name, "not percent-encoded UTF-8"))?;
            if found.insert(*known_name, value).is_some() {
                return Err(invalid(known_name, "given more than once"));
            }
        }
        Ok(Self(found))
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter read as `T`.
    ///
    /// # Errors
    /// A [`Problem`] that names the parameter and says what is wrong with it.
    pub fn read<T: std::str::FromStr>(&self, name: &'static str) -> Result<Option<T>, Problem>
    where
        T::Err: std::fmt::Display,
    {
        self.get(name).map(|text| text.parse().map_err(|e: T::Err| invalid(name, &e.to_string()))).transpose()
    }

    /// The page size asked for, or the default.
    ///
    /// # Errors
    /// A [`Problem`] outside 1 to the configured most.
    pub fn limit(&self, config: &HttpConfig) -> Result<usize, Problem> {
        match self.get("limit") {
            None => Ok(config.default_limit),
            Some(text) => match text.parse() {
                Ok(limit) if (1..=config.max_limit).contains(&limit) => Ok(limit),
                _ => Err(invalid("limit", &format!("must be a whole number from 1 to {}", config.max_limit))),
            },
        }
    }
}

/// The problem of one parameter.
#[must_use]
pub fn invalid(name: &str, reason: &str) -> Problem {
    Problem::new(Code::InvalidParameter, format!("{name}: {reason}")).with("parameter", name)
}

fn unreadable(what: &str) -> Problem {
    Problem::new(Code::InvalidParameter, format!("{what} is not percent-encoded UTF-8"))
}

/// The SKU of a path segment as it stands in the request, escapes and all: `A%2FB` is the SKU `A/B`.
///
/// # Errors
/// A [`Problem`] that says why it is none.
pub fn sku(segment: &str) -> Result<Sku, Problem> {
    let text = decode(segment, false)
        .ok_or_else(|| Problem::new(Code::InvalidSku, "the SKU in the path is not percent-encoded UTF-8"))?;
    Sku::new(&text).map_err(|reason| Problem::new(Code::InvalidSku, format!("the SKU in the path: {reason}")))
}

/// Undoes percent-encoding; nothing where an escape is broken or the bytes are no UTF-8.
fn decode(text: &str, plus_is_space: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |b: Option<u8>| char::from(b?).to_digit(16).and_then(|d| u8::try_from(d).ok());
                let high = digit(rest.next())?;
                high << 4 | digit(rest.next())?
            }
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// A text as one value of a query.
#[must_use]
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Whether the client takes `type/subtype`. A request without `Accept` takes everything, and so does one
/// whose `Accept` cannot be read; an error's own type counts too, for clients that name only that one.
#[must_use]
pub fn accepts(headers: &HeaderMap, main: &str, sub: &str) -> bool {
    let mut named = false;
    for value in headers.get_all(header::ACCEPT) {
        let Ok(value) = value.to_str() else { return true };
        for range in value.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            named = true;
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let refused = parts.any(|p| {
                p.strip_prefix("q=")
                    .or_else(|| p.strip_prefix("Q="))
                    .is_some_and(|q| q.parse() == Ok(0.0_f32))
            });
            let (of, kind) = media.split_once('/').unwrap_or((media, ""));
            let main_fits = of == "*" || of.eq_ignore_ascii_case(main);
            let sub_fits =
                kind == "*" || kind.eq_ignore_ascii_case(sub) || kind.ends_with("+json") && sub == "json";
            if main_fits && sub_fits && !refused {
                return true;
            }
        }
    }
    !named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_again() {
        for text in ["SKU-1_a.b~", "a/b c?Ä%+&="] {
            assert_eq!(decode(&encoded(text), true).as_deref(), Some(text));
        }
        assert_eq!(encoded("a/b c"), "a%2Fb%20c");
    }

    #[test]
    fn unknown_repeated_and_undecodable_parameters_are_named() {
        let known = &["at_least", "limit"];
        for (query, part) in [
            ("atleast=3:42", "unknown query parameter \"atleast\"; known here: at_least, limit"),
            ("limit=1&limit=2", "limit: given more than once"),
            ("limit=%FF", "limit: not percent-encoded UTF-8"),
            ("limit=%4", "limit: not percent-encoded UTF-8"),
        ] {
            let problem = Parameters::parse(Some(query), known).expect_err(query);
            assert_eq!(problem.code, Code::InvalidParameter);
            assert!(problem.detail.contains(part), "{}", problem.detail);
        }
        let some = Parameters::parse(Some("at_least=3%3A42&&"), known).expect("parameters");
        assert_eq!(some.get("at_least"), Some("3:42"));
        assert_eq!(some.get("limit"), None);
    }

    #[test]
    fn limits_have_bounds() {
        let config = HttpConfig::default();
        let limit = |query: &str| Parameters::parse(Some(query), &["limit"]).and_then(|p| p.limit(&config));
        assert_eq!(limit("").expect("default"), config.default_limit);
        assert_eq!(limit("limit=1000").expect("most"), 1000);
        for bad in ["limit=0", "limit=1001", "limit=-1", "limit=", "limit=ten", "limit=99999999999999999999"]
        {
            assert!(limit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_sku_is_a_percent_decoded_segment() {
        for (segment, text) in [("A%2FB", "A/B"), ("a+b", "a+b"), ("%C3%BC%20x", "ü x"), ("%25", "%")] {
            assert_eq!(sku(segment).expect(segment).as_str(), text);
        }
        for bad in ["%FF", "%0A", "%00", "%zz", "%", "%2", &"x".repeat(256)] {
            assert_eq!(sku(bad).expect_err(bad).code, Code::InvalidSku, "{bad}");
        }
    }

    #[test]
    fn accept_is_read_as_browsers_and_curl_send_it() {
        let accepts_json = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().expect("value"));
            accepts(&headers, "application", "json")
        };
        assert!(accepts(&HeaderMap::new(), "application", "json"));
        for yes in
            ["*/*", "application/json", "text/html, */*;q=0.8", "application/*", "APPLICATION/JSON", ""]
        {
            assert!(accepts_json(yes), "{yes}");
        }
        assert!(accepts_json("application/problem+json"));
        for no in ["text/html", "application/xml", "application/json;q=0", "image/*"] {
            assert!(!accepts_json(no), "{no}");
        }
    }
}
