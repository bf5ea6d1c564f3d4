//! Files that schemas import without a reference, because every compiler of Protobuf has them (`google/protobuf/…`, which
//! protox brings) or Confluent's does.

/// Messages that stand for Connect's logical types.
pub(super) const DECIMAL: &str = "confluent.type.Decimal";
pub(super) const DATE: &str = "google.type.Date";
pub(super) const TIME: &str = "google.type.TimeOfDay";
pub(super) const TIMESTAMP: &str = "google.protobuf.Timestamp";

/// The extension of fields that holds what Connect adds.
pub(super) const FIELD_META: &str = "confluent.field_meta";

pub(super) const META_FILE: &str = "confluent/meta.proto";
pub(super) const DECIMAL_FILE: &str = "confluent/type/decimal.proto";
pub(super) const DATE_FILE: &str = "google/type/date.proto";
pub(super) const TIME_FILE: &str = "google/type/timeofday.proto";
pub(super) const TIMESTAMP_FILE: &str = "google/protobuf/timestamp.proto";
pub(super) const WRAPPERS_FILE: &str = "google/protobuf/wrappers.proto";

/// Names and numbers as they are on the wire; nothing else of the originals.
pub(super) fn text(file: &str) -> Option<&'static str> {
    Some(match file {
        META_FILE => META,
        DECIMAL_FILE => DECIMAL_TEXT,
        DATE_FILE => DATE_TEXT,
        TIME_FILE => TIME_TEXT,
        _ => return None,
    })
}

const META: &str = r#"syntax = "proto3";
package confluent;
import "google/protobuf/descriptor.proto";
message Meta {
  string doc = 1;
  map<string, string> params = 2;
  repeated string tags = 3;
  repeated Rule rules = 4;
}
message Rule {
  string name = 1;
  string doc = 2;
  string expr = 3;
  string sql = 4;
}
extend google.protobuf.FileOptions { Meta file_meta = 1088; }
extend google.protobuf.MessageOptions { Meta message_meta = 1088; }
extend google.protobuf.FieldOptions { Meta field_meta = 1088; }
extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }
extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }
"#;

const DECIMAL_TEXT: &str = r#"syntax = "proto3";
package confluent.type;
message Decimal {
  bytes value = 1;
  uint32 precision = 2;
  int32 scale = 3;
}
"#;

const DATE_TEXT: &str = r#"syntax = "proto3";
package google.type;
message Date {
  int32 year = 1;
  int32 month = 2;
  int32 day = 3;
}
"#;

const TIME_TEXT: &str = r#"syntax = "proto3";
package google.type;
message TimeOfDay {
  int32 hours = 1;
  int32 minutes = 2;
  int32 seconds = 3;
  int32 nanos = 4;
}
"#;
