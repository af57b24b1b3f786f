//! JSON, written.

use std::fmt;
use std::time::Duration;

/// A value to be written as JSON (RFC 8259).
#[derive(Clone, Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(u64),
    /// A time, as seconds with six digits after the point.
    Seconds(Duration),
    /// A ratio, with two digits after the point.
    Ratio(f64),
    Text(String),
    List(Vec<Json>),
    /// Names and values, in this order.
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    /// Bytes as text. Bytes that are no UTF-8 become U+FFFD, as JSON knows nothing else.
    pub(crate) fn bytes(bytes: &[u8]) -> Json {
        Json::Text(String::from_utf8_lossy(bytes).into_owned())
    }

    /// A text, or null for an empty one.
    pub(crate) fn text_or_null(text: &str) -> Json {
        if text.is_empty() { Json::Null } else { Json::Text(text.to_owned()) }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(value) => value.fmt(f),
            Json::Number(number) => number.fmt(f),
            Json::Seconds(time) => write!(f, "{}.{:06}", time.as_secs(), time.subsec_micros()),
            Json::Ratio(ratio) if ratio.is_finite() => write!(f, "{ratio:.2}"),
            Json::Ratio(_) => f.write_str("null"),
            Json::Text(text) => write_text(f, text),
            Json::List(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "," })?;
                    value.fmt(f)?;
                }
                f.write_str("]")
            }
            Json::Object(fields) => {
                f.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "," })?;
                    write_text(f, name)?;
                    write!(f, ":{value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            // DEL and C1 would be allowed, but may end up on a terminal.
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_json() {
        let value = Json::Object(vec![
            ("a", Json::List(vec![Json::Number(1), Json::Null, Json::Bool(true)])),
            ("time", Json::Seconds(Duration::from_micros(1_500_001))),
            ("ratio", Json::List(vec![Json::Ratio(2.0 / 3.0), Json::Ratio(f64::NAN)])),
            ("text", Json::bytes(b"q\"\\\n\x1b\x7f\xff\xc3\xa9")),
            ("none", Json::List(vec![])),
        ]);
        assert_eq!(
            value.to_string(),
            "{\"a\":[1,null,true],\"time\":1.500001,\"ratio\":[0.67,null],\
             \"text\":\"q\\\"\\\\\\n\\u001b\\u007f\u{fffd}é\",\"none\":[]}"
        );
    }
}
