//! What the operating system says of a file, in the terms of Java's `java.nio.file`.

use millstream_core::RecordError;
use std::io;

/// The exception that Java throws for an error about `path`.
pub(crate) fn java_exception(path: &str, error: &io::Error) -> RecordError {
    match error.kind() {
        io::ErrorKind::NotFound => RecordError::new("java.nio.file.NoSuchFileException", path),
        io::ErrorKind::PermissionDenied => {
            RecordError::new("java.nio.file.AccessDeniedException", path)
        }
        _ => {
            let text = error.to_string();
            // Rust adds the number of the error.
            let reason = text.split(" (os error").next().unwrap_or_default();
            RecordError::new(
                "java.nio.file.FileSystemException",
                format!("{path}: {reason}"),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_exception_that_java_throws() {
        let check = |path: &str, class: &str, message: &str| {
            let error = std::fs::File::create(path).unwrap_err();
            let found = java_exception(path, &error);
            assert_eq!((found.class, &*found.message), (class, message));
        };
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().display().to_string();
        let missing = format!("{folder}/no/file");
        check(&missing, "java.nio.file.NoSuchFileException", &missing);
        check(
            &folder,
            "java.nio.file.FileSystemException",
            &format!("{folder}: Is a directory"),
        );
    }
}
