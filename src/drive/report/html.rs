//! A report as one page that opens anywhere: no script, nothing to fetch.

use std::borrow::Cow;

use quick_xml::escape::escape;

use super::table::figures::{count, micros, millis, of, plain, short, size};
use super::table::sections::{self, Column, Section};
use super::{Check, Report, Verdict, plots};

/// From more columns than this on, a table takes the page's whole width.
const WIDE: usize = 5;
const STYLE: &str = include_str!("html/style.css");

/// The whole report as one HTML document.
pub fn html(report: &Report) -> String {
    let body = [
        head(report),
        banner(report),
        tiles(report),
        plots_of(report),
        checks(report),
        tables(report),
        setting(report),
        scenario(report),
    ];
    let title = safe(&report.scenario.name);
    let opening = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
        <meta name=\"color-scheme\" content=\"light dark\">\n";
    let body = body.concat();
    format!(
        "{opening}<title>{title} – madang drive</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

fn head(report: &Report) -> String {
    let scenario = &report.scenario;
    let facts = [
        safe(&report.begun),
        safe(&report.url),
        format!("seed {}", scenario.seed).into(),
        format!("madang {}", safe(&report.madang)).into(),
    ];
    let facts =
        facts.iter().filter(|fact| !fact.is_empty()).map(|fact| format!("<span>{fact}</span>")).collect::<String>();
    let about = if scenario.about.is_empty() { String::new() } else { format!("<p>{}</p>\n", safe(&scenario.about)) };
    format!("<header>\n<h1>{}</h1>\n{about}<p class=\"facts\">{facts}</p>\n</header>\n", safe(&scenario.name))
}

/// The verdict, and what else has to be known before a figure is read.
fn banner(report: &Report) -> String {
    let broken = report.broken().count() > 0;
    let doubtful = !report.generator.limits.is_empty() || report.totals.cut_short || report.checks.is_empty();
    let (class, mark) = match (broken, doubtful) {
        (true, _) => ("bad", "✗"),
        (_, true) => ("doubtful", "!"),
        _ => ("good", "✓"),
    };
    let sentences = sections::sentences(report);
    let sentences: String = sentences.iter().map(|sentence| format!("<li>{}</li>", safe(sentence))).collect();
    let list = if sentences.is_empty() { sentences } else { format!("<ul>{sentences}</ul>") };
    let outcome = sections::outcome(report);
    format!(
        "<section class=\"banner {class}\"><span class=\"mark\" aria-hidden=\"true\">{mark}</span>\
         <div><h2>{}</h2>{list}</div></section>\n",
        safe(&outcome)
    )
}

fn tiles(report: &Report) -> String {
    let (dimensions, totals) = (&report.dimensions, &report.totals);
    let tile = |name: &str, value: String, note: String| {
        let (number, unit) = value.split_once(' ').unwrap_or((&value, ""));
        format!(
            "<div class=\"tile\"><dt>{name}</dt><dd><b>{number}</b> {unit}</dd><dd class=\"note\">{note}</dd></div>\n"
        )
    };
    let mut tiles =
        tile("Viewers", count(dimensions.viewers), format!("in {}", of(dimensions.channels, "channel", "channels")));
    if let Some(delivery) = report.latency.get("delivery").filter(|delivery| delivery.count > 0) {
        let note = format!("p50 {}, max {}", millis(delivery.p50), millis(delivery.max));
        tiles.push_str(&tile("Delivery p99", millis(delivery.p99), note));
    }
    if dimensions.window_seconds > 0.0 {
        let note = format!("from {} lines a second", short(dimensions.lines_per_second));
        tiles.push_str(&tile("Deliveries", format!("{} /s", short(totals.deliveries_per_second)), note));
    }
    let note = format!("{} refused, {} not sent", count(totals.refused), count(totals.unsent));
    tiles.push_str(&tile("Lines sent", count(totals.sent), note));
    if let Some(server) = &report.server {
        let note = server.cpu_per_delivery_us.map_or(String::new(), |cost| format!("{} for a delivery", micros(cost)));
        tiles.push_str(&tile("Server", format!("{} cores", short(server.cores_busy)), note));
        if let Some(most) = server.memory_max {
            let each = sections::server_bytes_per_viewer(report, server);
            let note = each.map_or(String::new(), |each| format!("{} for a viewer", size(each)));
            tiles.push_str(&tile("Server memory", size(most as f64), note));
        }
    }
    format!("<dl class=\"tiles\">\n{tiles}</dl>\n")
}

fn plots_of(report: &Report) -> String {
    let all = [
        plots::latency_over_time(report),
        plots::latency_by_percentile(report),
        plots::deliveries(report),
        plots::sends(report),
        plots::connections(report),
        plots::bytes(report),
        plots::cores(report),
        plots::memory(report),
    ];
    if !all.iter().any(|plot| plot.contains("<svg")) {
        return "<section>\n<h2>Plots</h2>\n<p class=\"none\">Too little was measured for a plot.</p>\n</section>\n"
            .to_owned();
    }
    let shaded = report.stages.iter().any(|stage| stage.measured);
    let note = if shaded { "<p class=\"note\">Shaded stages count for latency and cost.</p>\n" } else { "" };
    format!("<section>\n<h2>Plots</h2>\n{note}<div class=\"plots\">\n{}</div>\n</section>\n", all.join("\n"))
}

fn checks(report: &Report) -> String {
    let section = sections::checks(report);
    if section.rows.is_empty() {
        return String::new();
    }
    let rows = section.rows.iter().zip(&report.checks).map(|(cells, check)| {
        let class = match check.verdict {
            Verdict::Held => "held",
            Verdict::Broken => "broken",
            Verdict::Skipped => "skipped",
        };
        format!("<tr class=\"{class}\">{}</tr>\n", row(&section, cells))
    });
    let table = around(&section, &rows.collect::<String>());
    let examples: String = report.broken().filter(|check| !check.examples.is_empty()).map(examples).collect();
    format!("<section class=\"checks\">\n<h2>{}</h2>\n{table}{examples}</section>\n", section.title)
}

fn examples(check: &Check) -> String {
    let items: String =
        check.examples.iter().map(|example| format!("<li><code>{}</code></li>", safe(example))).collect();
    format!("<h3>{}, for example</h3>\n<ul class=\"examples\">{items}</ul>\n", safe(&check.name))
}

/// Tables side by side where there is room, but for that of latencies, which takes all of it.
fn tables(report: &Report) -> String {
    let mut all = sections::sections(report);
    all.extend(Some(sections::stages(report)).filter(|stages| !stages.rows.is_empty()));
    let (wide, narrow): (Vec<_>, Vec<_>) = all.iter().partition(|section| section.columns.len() > WIDE);
    let joined = |sections: Vec<&Section>| sections.into_iter().map(table).collect::<String>();
    format!("{}<div class=\"pair\">\n{}</div>\n", joined(wide), joined(narrow))
}

fn table(section: &Section) -> String {
    let rows: String = section.rows.iter().map(|cells| format!("<tr>{}</tr>\n", row(section, cells))).collect();
    let class = if section.columns.len() > WIDE { " class=\"large\"" } else { "" };
    format!("<section{class}>\n<h2>{}</h2>\n{}</section>\n", section.title, around(section, &rows))
}

fn around(section: &Section, rows: &str) -> String {
    let head = |column: &Column| match column {
        Column::Words(head) => format!("<th>{head}</th>"),
        Column::Numbers(head) => format!("<th class=\"number\">{head}</th>"),
    };
    let heads: String = section.columns.iter().map(head).collect();
    format!("<div class=\"wide\"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n")
}

/// The cells of a row. Each number has its column's head with it, for where there is no room for columns.
fn row(section: &Section, cells: &[String]) -> String {
    let cell = |(cell, column): (&String, &Column)| match column {
        Column::Words(_) => format!("<td>{}</td>", safe(cell)),
        Column::Numbers(head) => format!("<td class=\"number\" data-head=\"{head}\">{}</td>", safe(cell)),
    };
    cells.iter().zip(&section.columns).map(cell).collect()
}

fn setting(report: &Report) -> String {
    let pairs = sections::setting(report);
    let pairs: String =
        pairs.iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", safe(value))).collect();
    format!("<section>\n<h2>Size and machine</h2>\n<dl class=\"setting\">\n{pairs}</dl>\n</section>\n")
}

fn scenario(report: &Report) -> String {
    let text = &report.scenario.text;
    if text.is_empty() {
        return String::new();
    }
    // The scenario keeps its lines; of what is left no control character belongs in a document.
    let lines: Vec<_> = text.lines().map(|line| escape(plain(&line.replace('\t', "    "))).into_owned()).collect();
    format!(
        "<details>\n<summary>The scenario as it was played</summary>\n<pre>{}</pre>\n</details>\n",
        lines.join("\n")
    )
}

/// Text from outside, as text.
fn safe(text: &str) -> Cow<'static, str> {
    Cow::Owned(escape(plain(text)).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::{Close, Generator, Latency, Refused, Scene, Second, Server, StageSpan, Totals};
    use super::*;

    fn report() -> Report {
        let check = |verdict| Check { verdict, examples: vec![String::new()], ..Check::default() };
        let second = |at| Second { at, p99: Some(3.0), ..Second::default() };
        Report {
            scenario: Scene::default(),
            latency: [("delivery".to_owned(), Latency { count: 1, ..Latency::default() })].into(),
            checks: [Verdict::Held, Verdict::Broken, Verdict::Skipped].map(check).into(),
            closes: vec![Close::default()],
            refusals: vec![Refused::default()],
            generator: Generator { limits: vec![String::new()], remarks: vec![String::new()], ..Generator::default() },
            server: Some(Server::default()),
            stages: vec![StageSpan { to: 3.0, measured: true, ..StageSpan::default() }],
            timeline: [1.0, 2.0, 3.0].map(second).into(),
            ..Report::default()
        }
    }

    /// Puts `text` wherever a report has a text.
    fn fill(value: &mut Value, text: &str, filled: &mut usize) {
        match value {
            Value::String(old) if !["held", "broken", "skipped"].contains(&old.as_str()) => {
                text.clone_into(old);
                *filled += 1;
            }
            Value::Array(all) => all.iter_mut().for_each(|each| fill(each, text, filled)),
            Value::Object(all) => all.values_mut().for_each(|each| fill(each, text, filled)),
            _ => {}
        }
    }

    #[test]
    fn text_from_outside_stays_text() {
        let (mut value, mut filled) = (serde_json::to_value(report()).unwrap(), 0);
        fill(&mut value, "<script>alert('1')</script>\"\x1b&", &mut filled);
        assert!(filled > 20, "{filled}");
        let page = html(&serde_json::from_value(value).unwrap());
        let safe = "&lt;script&gt;alert(&apos;1&apos;)&lt;/script&gt;&quot; &amp;";
        // A plot cuts a stage's name; the list of stages does not.
        assert!(page.matches(safe).count() >= filled, "{} of {filled}", page.matches(safe).count());
        assert!(!page.contains("<script") && !page.contains('\x1b') && !page.contains("alert('"));
    }

    #[test]
    fn the_page_fetches_nothing() {
        let page = html(&report());
        for reference in ["src=", "href=", "url(", "@import", "<link", "<script"] {
            assert!(!page.contains(reference), "{reference}");
        }
        assert_eq!(page.replace("http://www.w3.org/2000/svg", "").matches("http").count(), 0);
    }

    #[test]
    fn the_banner_says_what_to_think() {
        let banner = |report: &Report| banner(report).split('>').next().unwrap_or_default().to_owned();
        let mut report = report();
        assert!(banner(&report).contains("bad"));
        report.checks.retain(|check| check.verdict != Verdict::Broken);
        assert!(banner(&report).contains("doubtful"), "a limited generator proves little");
        report.generator.limits.clear();
        assert!(banner(&report).contains("good"));
        report.totals = Totals { cut_short: true, ..Totals::default() };
        assert!(banner(&report).contains("doubtful"));
    }

    #[test]
    fn a_report_of_nothing_is_a_page_all_the_same() {
        let page = html(&Report::default());
        assert!(page.contains("Nothing was checked") && page.contains("Too little was measured for a plot."));
        assert!(!page.contains("<svg") && !page.contains("NaN"));
    }
}
