//! From texts to descriptors, and messages by their indexes in a file.

use super::names::DEEPEST;
use super::well_known;
use crate::registry::Fetched;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use millstream_core::RecordError;
use millstream_core::rejected::SERIALIZATION_EXCEPTION;
use prost_reflect::prost::{self, Message as _};
use prost_reflect::prost_types::field_descriptor_proto::Type;
use prost_reflect::prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};
use prost_reflect::{FileDescriptor, Kind, MessageDescriptor};
use protox::Compiler;
use protox::file::{File, FileResolver, GoogleFileResolver};
use std::collections::HashSet;
use std::path::Path;

/// The schema's own file; its name is in no text.
const ROOT: &str = "millstream.root.proto";

/// The number of `FileDescriptorProto.name`.
const FILE_NAME: u32 = 1;

/// The numbers of a map entry's fields.
const KEY: i32 = 1;
const VALUE: i32 = 2;

struct Resolver {
    files: Vec<(String, String)>,
    google: GoogleFileResolver,
}

impl FileResolver for Resolver {
    fn resolve_path(&self, path: &Path) -> Option<String> {
        path.to_str().map(str::to_owned)
    }

    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let own = self.files.iter().find(|(known, _)| known == name);
        let text = own
            .map(|(_, text)| text.as_str())
            .or_else(|| well_known::text(name));
        match text {
            Some(text) => File::from_source(name, text)
                .or_else(|error| from_descriptor(name, text).ok_or(error)),
            None => self.google.open_file(name),
        }
    }
}

/// A file whose text is a `FileDescriptorProto` in base64: what Python's serializer registers, as do others without a parser of
/// the language. Confluent's registry makes text of it, others give it back as it came.
fn from_descriptor(name: &str, text: &str) -> Option<File> {
    let mut bytes = STANDARD.decode(text.trim()).ok()?;
    let descriptor = FileDescriptorProto::decode(bytes.as_slice()).ok()?;
    if !is_known_syntax(descriptor.syntax.as_deref())
        || !descriptor.message_type.iter().all(has_whole_maps)
    {
        return None;
    }
    // It is called as the importing file calls it. Of a field that stands twice the last one counts.
    prost::encoding::string::encode(FILE_NAME, &name.to_owned(), &mut bytes);
    File::decode_file_descriptor_proto(Bytes::from(bytes)).ok()
}

/// Whether the compiler takes descriptors of this syntax; it has no answer to others.
fn is_known_syntax(syntax: Option<&str>) -> bool {
    matches!(syntax, None | Some("proto2" | "proto3"))
}

/// Whether all entries of maps within a message have a key and a value. The compiler makes no others, and does not look for them in
/// a descriptor that is given; whoever reads a map relies on both.
fn has_whole_maps(message: &DescriptorProto) -> bool {
    let is_entry = message
        .options
        .as_ref()
        .is_some_and(|options| options.map_entry());
    let has = |number| message.field.iter().any(|field| field.number() == number);
    let has_key_of_a_kind = |field: &FieldDescriptorProto| {
        let is_no_key = matches!(
            field.r#type(),
            Type::Double | Type::Float | Type::Group | Type::Message | Type::Bytes | Type::Enum
        );
        field.number() != KEY || !is_no_key
    };
    let is_whole = has(KEY) && has(VALUE) && message.field.iter().all(has_key_of_a_kind);
    (!is_entry || is_whole) && message.nested_type.iter().all(has_whole_maps)
}

/// Compiles a schema with the files that it refers to.
///
/// # Errors
/// What the compiler says.
pub(super) fn compile(schema: &Fetched) -> Result<FileDescriptor, RecordError> {
    let mut files = vec![(ROOT.to_owned(), schema.schema.text.clone())];
    files.extend(schema.references.iter().cloned());
    let mut compiler = Compiler::with_file_resolver(Resolver {
        files,
        google: GoogleFileResolver::new(),
    });
    let invalid = |error: &dyn std::fmt::Display| {
        RecordError::new(
            SERIALIZATION_EXCEPTION,
            format!("Invalid Protobuf schema: {error}"),
        )
    };
    compiler.open_file(ROOT).map_err(|error| invalid(&error))?;
    let file = compiler.descriptor_pool().get_file_by_name(ROOT);
    file.ok_or_else(|| invalid(&"it cannot be compiled"))
}

/// The messages within one. Confluent's indexes do not count the entries of maps, which no text names.
fn children(message: &MessageDescriptor) -> impl Iterator<Item = MessageDescriptor> + '_ {
    message
        .child_messages()
        .filter(|child| !child.is_map_entry())
}

/// The message at a path from the top of its file.
pub(super) fn message(file: &FileDescriptor, indexes: &[i32]) -> Option<MessageDescriptor> {
    let (first, rest) = indexes.split_first()?;
    let mut message = file.messages().nth(usize::try_from(*first).ok()?)?;
    for index in rest {
        let child = children(&message).nth(usize::try_from(*index).ok()?)?;
        message = child;
    }
    Some(message)
}

/// A message by its full name, with its path.
pub(super) fn find(file: &FileDescriptor, name: &str) -> Option<(Vec<i32>, MessageDescriptor)> {
    let mut open: Vec<(Vec<i32>, MessageDescriptor)> = (0..)
        .zip(file.messages())
        .map(|(index, message)| (vec![index], message))
        .collect();
    while let Some((path, message)) = open.pop() {
        if message.full_name() == name {
            return Some((path, message));
        }
        for (index, child) in (0..).zip(children(&message)) {
            open.push((path.iter().copied().chain([index]).collect(), child));
        }
    }
    None
}

/// Whether what one message writes can be read by another: fields of the same number have types of one wire form.
pub(super) fn can_read(reader: &MessageDescriptor, writer: &MessageDescriptor) -> bool {
    let mut open = vec![(reader.clone(), writer.clone())];
    let mut seen = HashSet::new();
    while let Some((reader, writer)) = open.pop() {
        if !seen.insert((reader.full_name().to_owned(), writer.full_name().to_owned())) {
            continue;
        }
        if seen.len() > DEEPEST * DEEPEST {
            return false;
        }
        for field in writer.fields() {
            let Some(other) = reader.get_field(field.number()) else {
                continue;
            };
            match (other.kind(), field.kind()) {
                (Kind::Message(reader), Kind::Message(writer)) => open.push((reader, writer)),
                (read, written) => {
                    if read.wire_type() != written.wire_type() {
                        return false;
                    }
                }
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::is_known_syntax;

    #[test]
    fn other_syntaxes_are_refused_before_the_compiler() {
        for syntax in [None, Some("proto2"), Some("proto3")] {
            assert!(is_known_syntax(syntax), "{syntax:?}");
        }
        for syntax in ["", "proto", "proto33", "editions"] {
            assert!(!is_known_syntax(Some(syntax)), "{syntax}");
        }
    }
}
