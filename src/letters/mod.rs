//! Dead letters read back: listed, shown whole, and, where they are commands, put back.
//!
//! A letter is a record of the dead-letter topic: what could not be understood, byte for byte, with our headers
//! behind its own ([`crate::projector::header`]). Its identity is its origin; a crash may have written it twice,
//! so [`list`] shows each origin once, at its first position. What was too large for its letter is kept whole in
//! its partition's store. Facts are never put back: their place in the order is gone, a replay repairs them.

mod letter;
mod put_back;
mod read;
mod view;

pub use letter::{LeftOut, Letter, NotALetter, Origin};
pub use put_back::{PutBack, PutBackError, put_back};
pub use read::{LettersError, Listed, get, list, whole};
pub use view::{LetterView, Summary};
