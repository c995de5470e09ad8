//! What is asked for, and what is refused.

use engine_message::value::Map;
use proptest::prelude::*;

use super::*;

fn request(operation: &str, properties: &[(&str, Value)], body: &[(&str, Value)]) -> Request {
    let map = |entries: &[(&str, Value)]| {
        Map(entries.iter().map(|(key, value)| (Value::String((*key).to_owned()), value.clone())).collect())
    };
    Request { properties: map(properties), body: map(body), ..Request::new(operation, "", None) }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn long(short: &str) -> Value {
    Value::String(format!("org.apache.qpid.dispatch.{short}"))
}

fn refused(operation: &str, properties: &[(&str, Value)], body: &[(&str, Value)]) -> (i32, String) {
    let answer = ask(&request(operation, properties, body)).expect_err("it is refused");
    (answer.code, answer.description)
}

#[test]
fn what_there_is_not_is_refused_with_its_status() {
    let listener = [("type", long("listener")), ("name", text("l"))];
    for (operation, properties, body, code, words) in [
        ("READ", vec![("type", long("nosuch"))], vec![], 400, "No such entity type"),
        ("CREATE", vec![("type", long("address"))], vec![], 400, "No such entity type"),
        ("READ", vec![("type", long("listener"))], vec![], 400, "No name or identity provided"),
        (
            "FOO",
            listener.to_vec(),
            vec![],
            501,
            "Operation 'FOO' not implemented for 'org.apache.qpid.dispatch.listener'",
        ),
        ("UPDATE", listener.to_vec(), vec![], 501, "['CREATE', 'READ', 'DELETE']"),
        ("CREATE", listener.to_vec(), vec![("foo", Value::Null)], 400, "Unknown attribute 'foo'"),
        ("CREATE", vec![("type", long("authServicePlugin"))], vec![("name", text("p"))], 501, "start the router again"),
        ("DELETE", vec![("type", long("vhost")), ("name", text("p"))], vec![], 501, "start the router again"),
        ("DELETE", vec![("type", long("listener"))], vec![], 400, "No name or identity provided"),
        ("CREATE", vec![("type", long("router.link"))], vec![], 403, "Forbidden"),
        ("DELETE", vec![("type", long("router"))], vec![], 403, "Forbidden"),
        ("CREATE", vec![("type", long("router.node"))], vec![], 501, "not implemented"),
        ("CREATE", vec![], vec![], 400, "type"),
        (
            "UPDATE",
            vec![("type", long("log")), ("name", text("l"))],
            vec![("enable", text("loud"))],
            400,
            "it takes trace",
        ),
        (
            "UPDATE",
            vec![("type", long("log")), ("name", text("l"))],
            vec![("outputFile", text("x"))],
            501,
            "error output",
        ),
        (
            "UPDATE",
            vec![("type", long("connection")), ("identity", text("1"))],
            vec![("adminStatus", text("x"))],
            400,
            "enabled, deleted",
        ),
        (
            "UPDATE",
            vec![("type", long("connection")), ("identity", text("1"))],
            vec![("host", text("x"))],
            400,
            "cannot be updated",
        ),
        (
            "UPDATE",
            vec![("type", long("connection")), ("identity", text("1"))],
            vec![("enableProtocolTrace", text("yes"))],
            501,
            "not logged",
        ),
        ("PROFILE", vec![("type", text("org.amqp.management"))], vec![], 501, "PROFILE"),
        ("QUERY", vec![("entityType", long("nosuch"))], vec![], 400, "No such entity type"),
        ("QUERY", vec![("offset", Value::Int(-1))], vec![], 400, "offset"),
        ("QUERY", vec![], vec![("attributeNames", text("name"))], 400, "attributeNames"),
    ] {
        let (told, why) = refused(operation, &properties, &body);
        assert!(told == code && why.contains(words), "{operation} {properties:?}: {told} {why}");
    }
}

#[test]
fn a_connection_is_closed_and_what_is_as_it_is_asked_to_be_stays_so() {
    let named = [("type", long("connection")), ("identity", Value::Ulong(7))];
    for (body, wanted) in [
        (vec![("adminStatus", text("deleted"))], Change::Close),
        (vec![("adminStatus", text("enabled")), ("identity", text("7"))], Change::None),
        (vec![("enableProtocolTrace", Value::Boolean(false))], Change::None),
    ] {
        let Ok(Asked::Update(named, change)) = ask(&request("UPDATE", &named, &body)) else { panic!("{body:?}") };
        assert_eq!((named.by, change), (By::Identity("7".to_owned()), wanted));
    }
}

#[test]
fn what_comes_and_goes_is_named_and_has_attributes_of_its_type() {
    for (operation, properties, body, code, words) in [
        (
            "CREATE",
            vec![("type", long("router.config.address"))],
            vec![("foo", Value::Null)],
            400,
            "Unknown attribute 'foo'",
        ),
        (
            "CREATE",
            vec![("type", long("router.config.address"))],
            vec![("prefix", Value::Map(Map::default()))],
            400,
            "'prefix' is a text",
        ),
        ("DELETE", vec![("type", long("router.config.autoLink"))], vec![], 400, "No name or identity provided"),
        ("CREATE", vec![("type", long("vhost"))], vec![], 501, "start the router again"),
    ] {
        let (told, why) = refused(operation, &properties, &body);
        assert!(told == code && why.contains(words), "{operation} {properties:?}: {told} {why}");
    }
}

#[test]
fn what_is_to_be_made_and_removed_is_taken_as_it_is_given() {
    let properties = [("type", long("router.config.autoLink")), ("name", text("l"))];
    let body =
        [("name", text("other")), ("phase", Value::Ulong(2)), ("fallback", Value::Boolean(true)), ("type", text("t"))];
    let Ok(Asked::Create(made)) = ask(&request("CREATE", &properties, &body)) else { panic!("it is understood") };
    let given = serde_json::json!({"name": "l", "phase": 2, "fallback": true});
    assert_eq!((made.changing, serde_json::Value::Object(made.given)), (Changing::AutoLink, given));
    let Ok(Asked::Delete(named, changing)) = ask(&request("DELETE", &properties, &[])) else { panic!("understood") };
    assert_eq!((named.by, changing), (By::Name("l".to_owned()), Changing::AutoLink));
}

#[test]
fn a_query_has_the_columns_that_there_are() {
    let names = Value::List(vec![text("name"), text("nosuch"), text("linkDir")]);
    let properties = [("entityType", long("router.link")), ("offset", Value::Int(3)), ("count", Value::Int(500))];
    let Ok(Asked::Query(query)) = ask(&request("QUERY", &properties, &[("attributeNames", names)])) else {
        panic!("a query")
    };
    assert_eq!((query.of.len(), query.offset, query.wanted()), (1, 3, 500));
    let row = Row::new(&types::LINK, "l", "1").with("linkDir", text("in"));
    let Value::Map(body) = query.answer(&[row]).body else { panic!("a map") };
    assert_eq!(body.get("attributeNames"), Some(&Value::List(vec![text("name"), text("linkDir")])));
    let cells = Value::List(vec![text("l"), text("in")]);
    assert_eq!(body.get("results"), Some(&Value::List(vec![cells])));
    let Ok(Asked::Query(all)) = ask(&request("QUERY", &[], &[])) else { panic!("a query") };
    assert_eq!(all.of.len(), types::all().count());
    let many = vec![Row::new(&types::LINK, "l", "1"); crate::limits::ROWS_MAX + 1];
    assert_eq!(all.answer(&many).code, 400, "an answer is not cut");
}

#[test]
fn the_schema_tells_every_type_and_as_json_the_same() {
    let answer = |operation| match ask(&request(operation, &[("type", text("org.amqp.management"))], &[])) {
        Ok(Asked::Described(answer)) => answer.body,
        other => panic!("{other:?}"),
    };
    let Value::Map(schema) = answer("GET-SCHEMA") else { panic!("a map") };
    let Some(Value::Map(entities)) = schema.get("entityTypes") else { panic!("types") };
    assert!(types::all().all(|of| entities.get(of.short).is_some()));
    let Value::String(json) = answer("GET-JSON-SCHEMA") else { panic!("text") };
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["entityTypes"]["listener"]["attributes"]["port"]["default"], "amqp");
    let operations = |short: &str| json["entityTypes"][short]["operations"].clone();
    assert_eq!(operations("listener"), serde_json::json!(["CREATE", "READ", "DELETE"]));
    assert_eq!(operations("authServicePlugin"), serde_json::json!(["READ"]), "what is not done is not told");
    assert_eq!(json["entityTypes"]["router.link"]["extends"], "operationalEntity");
}

#[test]
fn descriptions_are_of_one_type_if_it_is_named() {
    for (named, count) in [(Some("log"), 1), (Some("operationalEntity"), 11), (None, types::all().count() + 4)] {
        let mut properties = vec![("type", text("org.amqp.management"))];
        properties.extend(named.map(|named| ("entityType", long(named))));
        for operation in ["GET-TYPES", "GET-ATTRIBUTES", "GET-OPERATIONS"] {
            let Ok(Asked::Described(answer)) = ask(&request(operation, &properties, &[])) else {
                panic!("{operation}")
            };
            let Value::Map(map) = answer.body else { panic!("a map") };
            assert_eq!(map.0.len(), count, "{operation} {named:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_request_is_understood_or_refused(
        operation in "(QUERY|READ|UPDATE|CREATE|DELETE|GET-LOG|GET-TYPES|\\PC{0,6})",
        kind in "(org.apache.qpid.dispatch.)?(listener|router|connection|log|\\PC{0,4})",
        key in "(name|identity|entityType|offset|count|limit|adminStatus|attributeNames)",
        number in any::<i64>(),
    ) {
        let properties = [("type", text(&kind)), (key.as_str(), Value::Long(number)), ("name", text("n"))];
        let body = [(key.as_str(), text(&operation)), ("enableProtocolTrace", Value::Long(number))];
        if let Err(answer) = ask(&request(&operation, &properties, &body)) {
            prop_assert!(answer.code >= 400 && !answer.description.is_empty());
        }
    }
}
