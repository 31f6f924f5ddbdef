//! Content types: which mode a record is in, and whether its data is JSON.

/// Whether `content_type` says that a CloudEvent's data is JSON: `application/json`, `text/json`, or a
/// subtype that ends with `+json`; in any case, with any parameters.
pub(super) fn is_json(content_type: &str) -> bool {
    if content_type == "application/json" {
        return true;
    }
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let ends_with = |suffix: &str| {
        essence
            .len()
            .checked_sub(suffix.len())
            .and_then(|at| essence.get(at..))
            .is_some_and(|e| e.eq_ignore_ascii_case(suffix))
    };
    essence.eq_ignore_ascii_case("application/json")
        || essence.eq_ignore_ascii_case("text/json")
        || ends_with("+json")
}

/// What a content type says of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `application/cloudevents` or `application/cloudevents+json`.
    Structured,
    /// `application/cloudevents-batch+json`.
    Batch,
    /// Another event format, which is not read here.
    OtherFormat,
    /// No CloudEvents content type: the attributes are in the headers.
    Binary,
}

pub(super) fn form(content_type: &str) -> Form {
    const PREFIX: &str = "application/cloudevents";
    // What nearly every record says, and so is seen at once.
    if content_type == "application/cloudevents+json; charset=UTF-8" {
        return Form::Structured;
    }
    let content_type = content_type.trim_start();
    if !content_type.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX)) {
        return Form::Binary;
    }
    let rest =
        content_type.get(PREFIX.len()..).unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if rest.is_empty() || rest.eq_ignore_ascii_case("+json") {
        Form::Structured
    } else if rest.eq_ignore_ascii_case("-batch+json") {
        Form::Batch
    } else {
        Form::OtherFormat
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_are_told_apart_in_any_case() {
        for (content_type, expected) in [
            ("application/cloudevents+json", Form::Structured),
            ("Application/CloudEvents+JSON; charset=UTF-8", Form::Structured),
            ("application/cloudevents", Form::Structured),
            ("application/cloudevents-batch+json", Form::Batch),
            ("application/cloudevents+avro", Form::OtherFormat),
            ("application/json", Form::Binary),
            ("", Form::Binary),
            ("äpplication/cloudevents", Form::Binary),
        ] {
            assert_eq!(form(content_type), expected, "{content_type}");
        }
        for (content_type, json) in [
            ("application/json", true),
            ("APPLICATION/JSON;charset=utf-8", true),
            ("text/json", true),
            ("application/vnd.paklog.stock+json; v=1", true),
            ("application/jsonlines", false),
            ("application/xml", false),
            ("", false),
        ] {
            assert_eq!(is_json(content_type), json, "{content_type}");
        }
    }
}
