use proptest::prelude::*;

use super::arbitrary;
use crate::codec::event::{DEFAULT_MAX_BYTES, Decoded, Mode, decode, encode};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn decoding_gives_what_was_encoded(event in arbitrary::event()) {
        for mode in [Mode::Structured, Mode::Binary] {
            let encoded = encode(&event, mode);
            let key = event.envelope.sku.as_bytes();
            let decoded = decode(Some(key), Some(&encoded.value), &encoded.headers, DEFAULT_MAX_BYTES);
            prop_assert_eq!(decoded, Ok(Decoded::Event(event.clone())), "{}", String::from_utf8_lossy(&encoded.value));
        }
    }
}
