//! A record as the SDK's message traits see it: our own Kafka binding, since the SDK's pins another client.

use cloudevents::event::{Data, SpecVersion};
use cloudevents::message::{
    BinaryDeserializer, BinarySerializer, MessageAttributeValue, Result as SdkResult, StructuredDeserializer,
    StructuredSerializer,
};

use serde_json::Value;

use super::tree::Json;
use super::{Malformed, Reason, no};
use crate::types::{Headers, UtcTime};

/// The headers of a record.
pub(super) struct Message {
    headers: Vec<(String, Option<Vec<u8>>)>,
    pub(super) content_type: Option<String>,
    pub(super) correlation_id: Option<String>,
    pub(super) trace_parent: Option<String>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Form {
    Structured,
    Binary,
    Other,
}

pub(super) fn is_json(content_type: &str) -> bool {
    let lower = content_type.to_ascii_lowercase();
    let essence = lower.split(';').next().unwrap_or_default().trim().to_owned();
    ["application/json", "text/json"].contains(&essence.as_str()) || essence.ends_with("+json")
}

impl Message {
    pub(super) fn of(headers: &dyn Headers) -> Result<Self, Malformed> {
        let mut all = Vec::new();
        headers.visit(&mut |name, value| all.push((name.to_owned(), value.map(<[u8]>::to_vec))));
        let last = |is: &dyn Fn(&str) -> bool| {
            all.iter().rev().find(|(name, _)| is(name)).and_then(|(_, value)| value.clone())
        };
        let content_type = last(&|name| name == "content-type")
            .map(String::from_utf8)
            .transpose()
            .map_err(|_| no(Reason::InvalidUtf8, "content-type"))?;
        let correlation_id = last(&|name| name.eq_ignore_ascii_case("x-correlation-id"));
        let trace_parent = last(&|name| name == "traceparent");
        Ok(Self {
            content_type,
            correlation_id: correlation_id.and_then(|bytes| String::from_utf8(bytes).ok()),
            trace_parent: trace_parent.and_then(|bytes| String::from_utf8(bytes).ok()),
            headers: all,
        })
    }

    pub(super) fn form(&self) -> Form {
        let lower = self.content_type.as_deref().unwrap_or_default().trim_start().to_ascii_lowercase();
        match lower.strip_prefix("application/cloudevents") {
            Some(rest) => match rest.split(';').next().unwrap_or_default().trim() {
                "" | "+json" => Form::Structured,
                _ => Form::Other,
            },
            None => Form::Binary,
        }
    }

    /// The attributes in the headers; of several with one name the last.
    pub(super) fn attributes(&self) -> Vec<(String, Json)> {
        let mut attributes: Vec<(String, Json)> = Vec::new();
        for (name, value) in &self.headers {
            let Some(name) = name.strip_prefix("ce_") else { continue };
            let value = match value.clone().map(String::from_utf8) {
                None => Json::Null,
                Some(Ok(text)) => Json::String(text),
                Some(Err(_)) => Json::NotUtf8,
            };
            attributes.retain(|(known, _)| known != name);
            attributes.push((name.to_owned(), value));
        }
        attributes
    }
}

/// A message whose attributes are known to be sound.
struct Sound<'m> {
    attributes: Vec<(&'m str, &'m Json)>,
    time: Option<UtcTime>,
    data: &'m Json,
}

const CORE: [&str; 4] = ["id", "source", "type", "subject"];
const ABOUT_DATA: [&str; 4] = ["data", "data_base64", "datacontenttype", "dataschema"];

impl StructuredDeserializer for Sound<'_> {
    fn deserialize_structured<R, V: StructuredSerializer<R>>(self, serializer: V) -> SdkResult<R> {
        let mut object = serde_json::Map::new();
        object.insert("specversion".into(), "1.0".into());
        for (name, value) in &self.attributes {
            object.insert((*name).to_owned(), value.to_value());
        }
        if let Some(time) = self.time {
            object.insert("time".into(), time.to_string().into());
        }
        object.insert("data".into(), self.data.to_value());
        serializer.set_structured_event(serde_json::to_vec(&object)?)
    }
}

impl BinaryDeserializer for Sound<'_> {
    fn deserialize_binary<R, V: BinarySerializer<R>>(self, mut visitor: V) -> SdkResult<R> {
        visitor = visitor.set_spec_version(SpecVersion::V10)?;
        for (name, value) in &self.attributes {
            let value = match value {
                Json::String(text) => MessageAttributeValue::String(text.clone()),
                other => MessageAttributeValue::Integer(integer(other).unwrap_or_default()),
            };
            visitor = if CORE.contains(name) {
                visitor.set_attribute(name, value)?
            } else {
                visitor.set_extension(name, value)?
            };
        }
        if let Some(time) = self.time {
            visitor = visitor.set_attribute("time", MessageAttributeValue::String(time.to_string()))?;
        }
        visitor.end_with_data(serde_json::to_vec(&self.data.to_value())?)
    }
}

fn integer(value: &Json) -> Option<i64> {
    match value {
        Json::Number(text) => text.parse().ok(),
        _ => None,
    }
}

/// Takes a message through both of the SDK's ways, which must agree, and gives its event. What the SDK cannot
/// hold (an attribute of another type than CloudEvents has) is left out, as we pass over it.
pub(super) fn through_the_sdk(
    attributes: &[(String, Json)],
    time: Option<UtcTime>,
    data: &Json,
) -> Result<cloudevents::Event, Malformed> {
    let sound = || Sound {
        attributes: attributes
            .iter()
            .filter(|(name, value)| {
                let is_text = matches!(value, Json::String(_));
                let is_extension = !CORE.contains(&name.as_str());
                name != "specversion"
                    && name != "time"
                    && !ABOUT_DATA.contains(&name.as_str())
                    && (is_text || is_extension && integer(value).is_some())
            })
            .map(|(name, value)| (name.as_str(), value))
            .collect(),
        time,
        data,
    };
    let failed =
        |error: cloudevents::message::Error| no(Reason::Overflow, &format!("the SDK refuses it: {error}"));
    let structured = StructuredDeserializer::into_event(sound()).map_err(failed)?;
    let mut binary = BinaryDeserializer::into_event(sound()).map_err(failed)?;
    let is_same_data =
        matches!(structured.data(), Some(Data::Json(found)) if is_same(found, &data.to_value()));
    let mut attributes_alone = structured.clone();
    attributes_alone.take_data();
    binary.take_data();
    if !is_same_data || attributes_alone != binary {
        return Err(no(Reason::Overflow, "the SDK's two modes differ"));
    }
    Ok(structured)
}

/// Equal but for how numbers are spelled: the SDK makes `0` of `-0` on its way.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((m, a), (n, b))| m == n && is_same(a, b))
        }
        _ => a == b,
    }
}
