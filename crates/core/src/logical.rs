//! The logical types' rules: what a Decimal, Date or Time must be to go onto the wire.

use crate::decimal::Decimal;
use crate::rejected::RecordError;
use crate::schema::Schema;

pub const DAY_MILLIS: i64 = 86_400_000;

/// The `scale` of a Decimal schema.
pub fn decimal_scale(schema: &Schema) -> Result<i32, RecordError> {
    let Some(scale) = schema.parameters.as_ref().and_then(|p| p.get("scale")) else {
        return Err(RecordError::data(
            "Invalid Decimal schema: scale parameter not found.",
        ));
    };
    scale.parse().map_err(|_| {
        RecordError::data("Invalid scale parameter found in Decimal schema: ").caused_by(
            RecordError::new(
                "java.lang.NumberFormatException",
                format!("For input string: \"{scale}\""),
            ),
        )
    })
}

/// The unscaled bytes of a decimal, whose scale must be the schema's.
pub fn decimal_bytes(schema: &Schema, decimal: &Decimal) -> Result<Vec<u8>, RecordError> {
    let scale = decimal_scale(schema)?;
    if decimal.scale != scale {
        return Err(RecordError::data(format!(
            "Decimal value has mismatching scale for given Decimal schema. Schema has scale {scale}, value has scale {}.",
            decimal.scale
        )));
    }
    Ok(decimal.unscaled_bytes())
}

/// The days of a Date, which has no time of day.
pub fn date_days(millis: i64) -> Result<i32, RecordError> {
    if millis.rem_euclid(DAY_MILLIS) != 0 {
        return Err(RecordError::data(
            "Kafka Connect Date type should not have any time fields set to non-zero values.",
        ));
    }
    // Java's cast: the low bits.
    Ok((millis / DAY_MILLIS) as i32)
}

/// The milliseconds of a Time, which is no longer than a day.
pub fn time_millis(millis: i64) -> Result<i32, RecordError> {
    if !(0..=DAY_MILLIS).contains(&millis) {
        return Err(RecordError::data(
            "Kafka Connect Time type should not have any date fields set to non-zero values.",
        ));
    }
    Ok(millis as i32)
}
