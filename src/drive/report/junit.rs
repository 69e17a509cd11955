//! A report as JUnit XML, which build servers show.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::table::sections;
use super::{Check, Report, Verdict};

type Xml = Writer<Vec<u8>>;

/// One case of the suite.
struct Case {
    name: String,
    outcome: Outcome,
}

enum Outcome {
    Passed,
    /// A sentence, and whatever shows it.
    Failed(String, Vec<String>),
    /// Why.
    Skipped(String),
}

/// One test suite, named after the scenario, with a case for each check, one for whether the generator was the limit and,
/// for a run that was cut short, one that fails for it. Characters that XML doesn't have are U+FFFD.
pub fn junit(report: &Report) -> String {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    // A vector takes whatever is written to it.
    let _ = suites(&mut xml, report);
    String::from_utf8_lossy(&xml.into_inner()).into_owned() + "\n"
}

fn suites(xml: &mut Xml, report: &Report) -> io::Result<()> {
    let cases = cases(report);
    let failures = cases.iter().filter(|case| matches!(case.outcome, Outcome::Failed(..))).count();
    let skipped = cases.iter().filter(|case| matches!(case.outcome, Outcome::Skipped(_))).count();
    let counts = [("tests", cases.len()), ("failures", failures), ("errors", 0), ("skipped", skipped)];
    let counts = counts.map(|(name, count)| (name, count.to_string()));
    let counts = || counts.iter().map(|(name, count)| (*name, count.as_str()));
    let seconds = format!("{:.3}", report.totals.seconds);
    let (name, begun) = (allowed(&report.scenario.name), allowed(&report.begun));

    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let root = xml.create_element("testsuites").with_attributes(counts()).with_attribute(("time", seconds.as_str()));
    root.write_inner_content(|xml| {
        let suite = xml.create_element("testsuite").with_attribute(("name", name.as_str())).with_attributes(counts());
        let suite = suite.with_attributes([("time", seconds.as_str()), ("timestamp", begun.as_str())]);
        suite.write_inner_content(|xml| {
            properties(xml, report)?;
            cases.iter().try_for_each(|each| case(xml, &name, each))
        })?;
        Ok(())
    })?;
    Ok(())
}

fn properties(xml: &mut Xml, report: &Report) -> io::Result<()> {
    let words = [
        ("madang", &report.madang),
        ("url", &report.url),
        ("cpu", &report.machine.cpu),
        ("system", &report.machine.system),
    ];
    let words = words.map(|(name, value)| (name.to_owned(), value.clone()));
    let numbers = [("seed", report.scenario.seed), ("cores", report.machine.cores as u64)];
    let numbers = numbers.map(|(name, value)| (name.to_owned(), value.to_string()));
    // Dimensions have the names and the digits that the JSON form gives them.
    let dimensions = serde_json::to_value(&report.dimensions)?;
    let dimensions =
        dimensions.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.to_string()));
    xml.create_element("properties").write_inner_content(|xml| {
        for (name, value) in words.into_iter().chain(numbers).chain(dimensions) {
            let attributes = [("name", name.as_str()), ("value", &allowed(&value))];
            xml.create_element("property").with_attributes(attributes).write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

fn cases(report: &Report) -> Vec<Case> {
    let mut cases: Vec<_> = report.checks.iter().map(of_check).collect();
    let limits = &report.generator.limits;
    let outcome = match limits.as_slice() {
        [] => Outcome::Passed,
        limits => Outcome::Failed(limits.join(" "), Vec::new()),
    };
    cases.push(Case { name: "generator was not the limit".to_owned(), outcome });
    if let Some(words) = sections::cut_short(report) {
        cases.push(Case { name: "whole scenario".to_owned(), outcome: Outcome::Failed(words, Vec::new()) });
    }
    cases
}

fn of_check(check: &Check) -> Case {
    let outcome = match check.verdict {
        Verdict::Held => Outcome::Passed,
        Verdict::Broken => Outcome::Failed(check.words.clone(), check.examples.clone()),
        Verdict::Skipped => Outcome::Skipped(check.words.clone()),
    };
    Case { name: check.name.clone(), outcome }
}

fn case(xml: &mut Xml, scenario: &str, case: &Case) -> io::Result<()> {
    let (name, class) = (allowed(&case.name), format!("madang.drive.{scenario}"));
    let element = xml.create_element("testcase");
    let element = element.with_attributes([("name", name.as_str()), ("classname", class.as_str())]);
    match &case.outcome {
        Outcome::Passed => element.write_empty()?,
        Outcome::Failed(words, examples) => element.write_inner_content(|xml| {
            let (words, examples) = (allowed(words), allowed(&examples.join("\n")));
            let failure = xml.create_element("failure").with_attribute(("message", words.as_str()));
            failure.write_text_content(BytesText::new(&examples))?;
            Ok(())
        })?,
        Outcome::Skipped(words) => element.write_inner_content(|xml| {
            let words = allowed(words);
            xml.create_element("skipped").with_attribute(("message", words.as_str())).write_empty()?;
            Ok(())
        })?,
    };
    Ok(())
}

/// A text with what XML 1.0 can't hold replaced, escaped or not: control characters and two that are none.
fn allowed(text: &str) -> String {
    let known = |letter: char| match letter {
        '\t' | '\n' | '\r' => letter,
        '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        letter => letter,
    };
    text.chars().map(known).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use quick_xml::Reader;
    use quick_xml::events::BytesStart;

    use super::super::{Generator, Scene, Totals};
    use super::*;

    type Element = (String, BTreeMap<String, String>);

    /// Every element with its attributes, and every text, read back.
    fn parsed(xml: &str) -> (Vec<Element>, Vec<String>) {
        let (mut elements, mut texts) = (Vec::new(), Vec::new());
        let mut reader = Reader::from_str(xml);
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) | Event::Empty(start) => elements.push(element(&start)),
                Event::Text(text) => texts.push(text.xml10_content().into_owned()),
                Event::GeneralRef(name) => texts.push(format!("&{};", name.xml10_content())),
                Event::Eof => return (elements, texts),
                _ => {}
            }
        }
    }

    fn element(start: &BytesStart<'_>) -> Element {
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.unwrap();
            (attribute.key.as_ref().to_owned(), quick_xml::escape::unescape(&attribute.value).unwrap().into_owned())
        });
        (start.name().as_ref().to_owned(), attributes.collect())
    }

    fn report() -> Report {
        let check = |name: &str, verdict, words: &str, examples: &[&str]| Check {
            name: name.to_owned(),
            verdict,
            words: words.to_owned(),
            examples: examples.iter().map(|example| (*example).to_owned()).collect(),
            ..Check::default()
        };
        Report {
            scenario: Scene { name: "a \"night\"".to_owned(), ..Scene::default() },
            begun: "2026-11-04T09:12:33Z".to_owned(),
            checks: vec![
                check("order", Verdict::Held, "1 in 1", &[]),
                check("must p99<5ms", Verdict::Broken, "p99 was <6 & \x07", &["viewer <3>", "viewer \u{ffff}4"]),
                check("hidden", Verdict::Skipped, "nothing was hidden", &[]),
            ],
            totals: Totals { seconds: 41.25, planned_seconds: 120.0, cut_short: true, ..Totals::default() },
            generator: Generator { limits: vec!["a thread was full.".to_owned()], ..Generator::default() },
            ..Report::default()
        }
    }

    #[test]
    fn every_check_is_a_case_that_can_be_read_back() {
        let (elements, texts) = parsed(&junit(&report()));
        let with = |name: &str| {
            elements.iter().filter(|element| element.0 == name).map(|element| &element.1).collect::<Vec<_>>()
        };
        let suite = with("testsuite")[0];
        let attributes =
            ["name", "tests", "failures", "errors", "skipped", "time", "timestamp"].map(|name| suite[name].as_str());
        assert_eq!(attributes, ["a \"night\"", "5", "3", "0", "1", "41.250", "2026-11-04T09:12:33Z"]);
        let names: Vec<_> = with("testcase").iter().map(|case| case["name"].as_str()).collect();
        assert_eq!(names, ["order", "must p99<5ms", "hidden", "generator was not the limit", "whole scenario"]);
        assert!(with("testcase").iter().all(|case| case["classname"] == "madang.drive.a \"night\""));
        let failures: Vec<_> = with("failure").iter().map(|failure| failure["message"].as_str()).collect();
        assert_eq!(failures, ["p99 was <6 & \u{fffd}", "a thread was full.", "Cut short after 41.2 s of 120 s."]);
        assert_eq!(with("skipped")[0]["message"], "nothing was hidden");
        assert!(with("property").iter().any(|property| property["name"] == "viewers" && property["value"] == "0"));
        assert!(texts.concat().contains("viewer &lt;3&gt;\nviewer \u{fffd}4"), "{texts:?}");
    }

    #[test]
    fn a_whole_run_within_its_means_has_nothing_to_fail() {
        let (elements, _) = parsed(&junit(&Report::default()));
        assert!(elements.iter().all(|element| element.0 != "failure"));
        assert_eq!(elements.iter().filter(|element| element.0 == "testcase").count(), 1);
    }
}
