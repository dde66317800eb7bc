//! User data: `{encoding, bytes}` on the wire, JSON shown as JSON in the value.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{limits::PAYLOAD_BYTES_MAX, pb};

/// Encoding name of JSON; on the wire the empty string means the same.
pub const JSON: &str = "json";

/// User data with its encoding. JSON by default.
///
/// In EXECUTION_STATE and the journal JSON stands as it is; anything else as
/// `{"$payload":{"encoding":"…","base64":"…"}}`.
#[derive(Clone, Debug)]
pub enum Payload {
    /// One JSON text without line breaks.
    Json(Box<RawValue>),
    /// Bytes in an encoding that is the user's affair.
    Other {
        /// Name of the encoding, not `json`.
        encoding: String,
        /// The bytes.
        bytes: Bytes,
    },
}

/// Data that cannot be a payload.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// Not JSON although it says so.
    #[error("the payload is not valid JSON: {0}")]
    NotJson(serde_json::Error),
    /// Valid, but not of the type that is asked for.
    #[error("the payload does not fit the type {expected}: {source}")]
    WrongType {
        /// Rust type that was asked for.
        expected: &'static str,
        /// What serde says.
        source: serde_json::Error,
    },
    /// Asked for as JSON but in another encoding.
    #[error("the payload is encoded as {0:?}, not as JSON; read its bytes instead")]
    OtherEncoding(String),
    /// A value that serde_json cannot write.
    #[error("the value cannot be written as JSON: {0}")]
    Encode(serde_json::Error),
    /// Larger than `PAYLOAD_BYTES_MAX`.
    #[error(
        "the payload has {bytes} bytes, over the limit PAYLOAD_BYTES_MAX of {PAYLOAD_BYTES_MAX} bytes; store the data elsewhere and pass a reference"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

impl Payload {
    /// JSON `null`.
    #[must_use]
    pub fn null() -> Self {
        Self::Json(RawValue::NULL.to_owned())
    }

    /// Whether this is JSON `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Json(raw) if raw.get() == "null")
    }

    /// Encode a value as JSON. Errors if serde cannot, or if it is too large.
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Self, PayloadError> {
        let raw = serde_json::value::to_raw_value(value).map_err(PayloadError::Encode)?;
        Self::Json(raw).checked()
    }

    /// Decode JSON into a type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        match self {
            Self::Json(raw) => {
                serde_json::from_str(raw.get()).map_err(|source| PayloadError::WrongType {
                    expected: std::any::type_name::<T>(),
                    source,
                })
            }
            Self::Other { encoding, .. } => Err(PayloadError::OtherEncoding(encoding.clone())),
        }
    }

    /// Parse a JSON text, in any layout.
    pub fn from_json_text(text: &str) -> Result<Self, PayloadError> {
        let raw: Box<RawValue> = serde_json::from_str(text).map_err(PayloadError::NotJson)?;
        Ok(Self::Json(one_line(raw)?))
    }

    /// The bytes as they travel.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Json(raw) => raw.get().as_bytes(),
            Self::Other { bytes, .. } => bytes,
        }
    }

    /// Itself, or an error if it is over the limit.
    pub fn checked(self) -> Result<Self, PayloadError> {
        match self.bytes().len() {
            bytes if bytes > PAYLOAD_BYTES_MAX => Err(PayloadError::TooLarge { bytes }),
            _ => Ok(self),
        }
    }
}

/// JSON without line breaks, which journal lines rely on. Within a JSON text a raw line break
/// can only be white space.
fn one_line(raw: Box<RawValue>) -> Result<Box<RawValue>, PayloadError> {
    if !raw.get().contains(['\n', '\r']) {
        return Ok(raw);
    }
    RawValue::from_string(raw.get().replace(['\n', '\r'], " ")).map_err(PayloadError::NotJson)
}

/// A field that is there and `null` is JSON null, not nothing.
pub(crate) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Payload>, D::Error> {
    Payload::deserialize(deserializer).map(Some)
}

/// A result as `{"ok":…}` or `{"error":…}`, for serde's `with`.
pub(crate) mod result {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Payload;
    use crate::Failure;

    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Read {
        Ok(Payload),
        Error(Failure),
    }

    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Written<'a> {
        Ok(&'a Payload),
        Error(&'a Failure),
    }

    pub(crate) fn serialize<S: Serializer>(
        result: &Result<Payload, Failure>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match result {
            Ok(payload) => Written::Ok(payload),
            Err(failure) => Written::Error(failure),
        }
        .serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Result<Payload, Failure>, D::Error> {
        Ok(match Read::deserialize(deserializer)? {
            Read::Ok(payload) => Ok(payload),
            Read::Error(failure) => Err(failure),
        })
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self::null()
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Json(a), Self::Json(b)) => a.get() == b.get(),
            (
                Self::Other { encoding, bytes },
                Self::Other {
                    encoding: other_encoding,
                    bytes: other_bytes,
                },
            ) => encoding == other_encoding && bytes == other_bytes,
            _ => false,
        }
    }
}

impl Eq for Payload {}

impl From<Payload> for pb::Payload {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::Json(raw) => Self {
                encoding: String::new(),
                data: Bytes::from(String::from(Box::<str>::from(raw))),
            },
            Payload::Other { encoding, bytes } => Self {
                encoding,
                data: bytes,
            },
        }
    }
}

impl TryFrom<pb::Payload> for Payload {
    type Error = PayloadError;
    fn try_from(payload: pb::Payload) -> Result<Self, Self::Error> {
        match payload.encoding.as_str() {
            "" | JSON => {
                let raw: Box<RawValue> =
                    serde_json::from_slice(&payload.data).map_err(PayloadError::NotJson)?;
                Ok(Self::Json(one_line(raw)?))
            }
            _ => Ok(Self::Other {
                encoding: payload.encoding,
                bytes: payload.data,
            }),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    #[serde(rename = "$payload")]
    payload: WrappedBody,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrappedBody {
    encoding: String,
    base64: String,
}

/// A JSON payload that happens to begin like the wrapper is wrapped itself, so that reading is unambiguous.
fn looks_wrapped(json: &str) -> bool {
    json.starts_with('{') && serde_json::from_str::<Wrapped>(json).is_ok()
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (encoding, bytes) = match self {
            Self::Json(raw) if !looks_wrapped(raw.get()) => return raw.serialize(serializer),
            Self::Json(raw) => (JSON, raw.get().as_bytes()),
            Self::Other { encoding, bytes } => (encoding.as_str(), bytes.as_ref()),
        };
        let payload = WrappedBody {
            encoding: encoding.to_owned(),
            base64: BASE64.encode(bytes),
        };
        Wrapped { payload }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        if !raw.get().starts_with('{') {
            return Ok(Self::Json(raw));
        }
        let Ok(Wrapped { payload }) = serde_json::from_str(raw.get()) else {
            return Ok(Self::Json(raw));
        };
        let bytes = BASE64.decode(payload.base64).map_err(D::Error::custom)?;
        if payload.encoding == JSON {
            let raw = serde_json::from_slice(&bytes).map_err(D::Error::custom)?;
            return Ok(Self::Json(raw));
        }
        Ok(Self::Other {
            encoding: payload.encoding,
            bytes: bytes.into(),
        })
    }
}
