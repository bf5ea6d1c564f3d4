//! An error's chain of causes, links of the operating system's errors included.

use std::error::Error;
use std::io;

/// An error and what caused it, the last cause last.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match wrapped {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// The text of the last cause, which is the one that says something: the links before it are the SDK's own.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let last = causes(error).last();
    last.map_or_else(|| "unknown cause".to_owned(), ToString::to_string)
}
