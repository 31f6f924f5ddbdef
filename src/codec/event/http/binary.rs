use super::{Item, Rejected, Tracing, repeated};
use crate::codec::event::decode::outline_of_headers;
use crate::types::Header;

/// One event whose attributes are headers: `attributes` without their prefix, decoded.
pub(super) fn one(
    content_type: Option<&str>,
    attributes: Vec<(String, Vec<u8>)>,
    body: &[u8],
    tracing: &Tracing,
) -> Result<Item, Rejected> {
    let event_id = attributes
        .iter()
        .find(|(name, _)| name == "id")
        .and_then(|(_, value)| String::from_utf8(value.clone()).ok());
    let rejected = |malformed| Rejected { index: 0, event_id: event_id.clone(), malformed };

    let mut headers = vec![Header::new("content-type", content_type.unwrap_or("application/json"))];
    for (name, value) in attributes {
        let name = format!("ce_{name}");
        if headers.iter().any(|header| header.name == name) {
            return Err(rejected(repeated(name.trim_start_matches("ce_"))));
        }
        headers.push(Header::new(name, value));
    }
    let outline = outline_of_headers(&headers, body).map_err(rejected)?;
    let mut traced = headers.clone();
    tracing.headers(outline.correlation_id.as_deref(), outline.trace_parent.as_deref(), &mut traced);
    Ok(outline.into_item(body.to_vec(), traced))
}

/// A header's value as the sender meant it: out of its quotes, then percent-decoded, once.
pub(super) fn unquoted(value: &[u8]) -> Vec<u8> {
    let inside = match value {
        [b'"', inside @ .., b'"'] => inside,
        _ => return percent_decoded(value),
    };
    let mut plain = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter();
    while let Some(byte) = bytes.next() {
        plain.push(if *byte == b'\\' { *bytes.next().unwrap_or(byte) } else { *byte });
    }
    percent_decoded(&plain)
}

/// A percent sign that begins no escape stands for itself, as most senders mean it.
fn percent_decoded(value: &[u8]) -> Vec<u8> {
    let hex = |byte: &u8| char::from(*byte).to_digit(16);
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match behind {
            [high, low, behind @ ..] if *first == b'%' => match (hex(high), hex(low)) {
                (Some(high), Some(low)) => {
                    // Two hexadecimal digits make a byte.
                    decoded.push((high * 16 + low) as u8);
                    rest = behind;
                }
                _ => decoded.push(*first),
            },
            _ => decoded.push(*first),
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values_lose_quotes_and_escapes_once() {
        for (value, meant) in [
            ("plain", "plain"),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            ("%2520", "%20"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            (r#""a \"b\" %41""#, "a \"b\" A"),
            ("\"", "\""),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8(unquoted(value.as_bytes())).expect("UTF-8"), meant, "{value}");
        }
    }
}
