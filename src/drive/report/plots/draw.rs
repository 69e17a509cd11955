//! A plot drawn: its frame, its lines, and the SVG that the page can give its own colours.

use std::fmt::Write;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use quick_xml::escape::escape;

use super::super::table::figures::plain;
use super::axis::Axis;

/// Units of the drawing for one of the page: positions are whole numbers, and a line in steps of a pixel has stairs.
const FINE: i32 = 4;
/// Width and height of a plot, in units of the page.
const SIZE: (i32, i32) = (540, 300);
/// Room on the left for the ticks' words, on the right for the last one's half, above for stages, below for the time.
const LEFT: i32 = 80;
const RIGHT: i32 = 36;
const ABOVE: i32 = 24;
const BELOW: i32 = 44;
/// Sizes of letters.
const LETTERS: i32 = 13;
/// Width of a letter of a stage's name, with room for the larger letters of a small screen.
const LETTER_WIDTH: f64 = 8.2;

/// Colours that stand for the page's own, which differ by day and by night: `var(--line-0)` and so on in the SVG.
const LINES: [RGBColor; 4] = [RGBColor(1, 0, 0), RGBColor(1, 0, 1), RGBColor(1, 0, 2), RGBColor(1, 0, 3)];
const INK: RGBColor = RGBColor(1, 0, 4);
const GRID: RGBColor = RGBColor(1, 0, 5);
const SHADE: RGBColor = RGBColor(1, 0, 6);
/// What each is called in the page, and what it is without a page.
const NAMES: [(&str, &str); 7] = [
    ("#010000", "var(--line-0,#2f6fde)"),
    ("#010001", "var(--line-1,#d9730d)"),
    ("#010002", "var(--line-2,#d1345b)"),
    ("#010003", "var(--line-3,#0f9d76)"),
    ("#010004", "var(--ink,#777)"),
    ("#010005", "var(--grid,#7775)"),
    ("#010006", "var(--shade,#7772)"),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Failed<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

/// A plot.
pub(super) struct Plot<'a> {
    /// What it shows, for a heading.
    pub(super) title: &'static str,
    /// Its axes.
    pub(super) x: Axis,
    /// Upwards.
    pub(super) y: Axis,
    /// Stages, behind the lines.
    pub(super) bands: Vec<Band<'a>>,
    /// What is drawn; those without a value are left out.
    pub(super) lines: Vec<Series>,
}

/// A stretch along the x axis.
pub(super) struct Band<'a> {
    /// What stands above it.
    pub(super) name: &'a str,
    /// Where it begins.
    pub(super) from: f64,
    /// Where it ends.
    pub(super) to: f64,
    /// Whether it is set off from the others.
    pub(super) shaded: bool,
}

/// One line of a plot.
pub(super) struct Series {
    name: String,
    colour: usize,
    form: Form,
    /// Where, and how much; `None` interrupts the line.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Line,
    Area,
    Marks,
}

impl Series {
    /// A line.
    pub(super) fn line(name: &str, colour: usize, points: Vec<(f64, Option<f64>)>) -> Self {
        Self { name: name.to_owned(), colour, form: Form::Line, points }
    }

    /// A line with what is under it tinted.
    pub(super) fn area(name: &str, colour: usize, points: Vec<(f64, Option<f64>)>) -> Self {
        Self { form: Form::Area, ..Self::line(name, colour, points) }
    }

    /// Dots.
    pub(super) fn marks(name: &str, colour: usize, points: Vec<(f64, Option<f64>)>) -> Self {
        Self { form: Form::Marks, ..Self::line(name, colour, points) }
    }

    /// Every value there is.
    pub(super) fn values(&self) -> impl Iterator<Item = f64> {
        self.points.iter().filter_map(|point| point.1)
    }

    /// The stretches without a gap, in the measure of the axes. What is beyond them is at their end: the library counts in
    /// whole numbers, and the report may be anybody's.
    fn stretches(&self, x: &Axis, y: &Axis) -> Vec<Vec<(f64, f64)>> {
        let place = |(at, value): &(f64, Option<f64>)| Some((x.place(*at)?, y.place((*value)?)?));
        let places: Vec<_> = self.points.iter().map(place).collect();
        places.split(Option::is_none).map(|part| part.iter().flatten().copied().collect()).collect()
    }
}

impl Plot<'_> {
    /// A `<figure>` with its heading, its legend and the plot; a sentence for too little to plot.
    pub(super) fn svg(&self) -> String {
        let title = self.title;
        if self.lines.iter().all(|line| line.values().count() < 2) {
            return format!(
                "<figure><figcaption><h3>{title}</h3></figcaption><p class=\"none\">Too little was measured for a plot.</p></figure>"
            );
        }
        let mut drawn = String::new();
        if let Err(failed) = self.draw(SVGBackend::with_string(&mut drawn, size())) {
            let failed = failed.to_string();
            return format!(
                "<figure><figcaption><h3>{title}</h3></figcaption><p class=\"none\">Not drawn: {}</p></figure>",
                escape(failed.as_str())
            );
        }
        let drawing = self.scalable(drawn);
        format!("<figure><figcaption><h3>{title}</h3><p>{}</p></figcaption>{drawing}</figure>", self.legend())
    }

    fn shown(&self) -> impl Iterator<Item = &Series> {
        self.lines.iter().filter(|line| line.values().next().is_some())
    }

    fn legend(&self) -> String {
        let mut legend = String::new();
        for line in self.shown() {
            let form = if line.form == Form::Marks { "dot" } else { "dash" };
            // A write to a string can't fail.
            let _ = write!(
                legend,
                "<span class=\"key {form} line-{}\">{}</span> ",
                line.colour,
                escape(line.name.as_str())
            );
        }
        legend
    }

    /// The drawing in the page's colours and at the page's width.
    fn scalable(&self, drawn: String) -> String {
        let (width, height) = size();
        let fixed = format!("<svg width=\"{width}\" height=\"{height}\" ");
        let label = format!("<svg role=\"img\" aria-label=\"{}\" ", self.title);
        NAMES.iter().fold(drawn.replacen(&fixed, &label, 1), |text, (stand_in, name)| text.replace(stand_in, name))
    }

    fn draw<'b>(&self, backend: SVGBackend<'b>) -> Result<(), Failed<'b>> {
        let root = backend.into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_right(RIGHT * FINE)
            .margin_top(ABOVE * FINE)
            .set_label_area_size(LabelAreaPosition::Left, LEFT * FINE)
            .set_label_area_size(LabelAreaPosition::Bottom, BELOW * FINE)
            .build_cartesian_2d(self.x.range.0..self.x.range.1, self.y.range.0..self.y.range.1)?;
        self.shades(&mut chart)?;
        self.frame(&root, &chart)?;
        self.stage_names(&root, &chart)?;
        for line in self.shown() {
            self.line(&mut chart, line)?;
        }
        root.present()
    }

    fn shades<'b>(&self, chart: &mut Chart<'_, 'b>) -> Result<(), Failed<'b>> {
        let (low, high) = self.y.range;
        for band in self.bands.iter().filter(|band| band.shaded) {
            let (from, to) = self.within(band);
            chart.draw_series([Rectangle::new([(from, low), (to, high)], SHADE.filled())])?;
        }
        Ok(())
    }

    fn frame<'b>(&self, root: &Area<'b>, chart: &Chart<'_, 'b>) -> Result<(), Failed<'b>> {
        let ((left, right), (bottom, top)) = (self.x.range, self.y.range);
        for (at, words) in &self.y.ticks {
            let (from, to) = (chart.backend_coord(&(left, *at)), chart.backend_coord(&(right, *at)));
            root.draw(&PathElement::new([from, to], GRID.stroke_width(FINE as u32)))?;
            root.draw(&Text::new(words.clone(), (from.0 - 8 * FINE, from.1), words_at(HPos::Right, VPos::Center)))?;
        }
        for (at, words) in &self.x.ticks {
            let foot = chart.backend_coord(&(*at, bottom));
            root.draw(&PathElement::new([foot, (foot.0, foot.1 + 5 * FINE)], INK.stroke_width(FINE as u32)))?;
            root.draw(&Text::new(words.clone(), (foot.0, foot.1 + 8 * FINE), words_at(HPos::Center, VPos::Top)))?;
        }
        let (from, to) = (chart.backend_coord(&(left, bottom)), chart.backend_coord(&(right, bottom)));
        root.draw(&PathElement::new([from, to], INK.stroke_width(FINE as u32)))?;
        let below = (to.0, SIZE.1 * FINE - 4 * FINE);
        root.draw(&Text::new(self.x.name, below, words_at(HPos::Right, VPos::Bottom)))?;
        // Where bands have no names to write, a thin line still says where each begins.
        for band in self.bands.iter().filter(|band| band.from > left && band.from < right) {
            let line = [chart.backend_coord(&(band.from, bottom)), chart.backend_coord(&(band.from, top))];
            root.draw(&DashedPathElement::new(line, 4 * FINE, 4 * FINE, INK.mix(0.6).stroke_width(FINE as u32)))?;
        }
        Ok(())
    }

    fn stage_names<'b>(&self, root: &Area<'b>, chart: &Chart<'_, 'b>) -> Result<(), Failed<'b>> {
        for band in &self.bands {
            let (from, to) = self.within(band);
            let (from, to) = (chart.backend_coord(&(from, self.y.range.1)), chart.backend_coord(&(to, self.y.range.1)));
            let room = f64::from(to.0 - from.0) / f64::from(FINE) - 6.0;
            let Some(name) = fitting(band.name, (room / LETTER_WIDTH) as usize) else {
                continue;
            };
            root.draw(&Text::new(
                name,
                ((from.0 + to.0) / 2, from.1 - 5 * FINE),
                words_at(HPos::Center, VPos::Bottom),
            ))?;
        }
        Ok(())
    }

    fn line<'b>(&self, chart: &mut Chart<'_, 'b>, line: &Series) -> Result<(), Failed<'b>> {
        let colour = LINES[line.colour % LINES.len()];
        let stroke = colour.stroke_width(2 * FINE as u32);
        for stretch in line.stretches(&self.x, &self.y) {
            if line.form == Form::Area {
                chart.draw_series(AreaSeries::new(stretch.clone(), self.y.range.0, colour.mix(0.14)))?;
            }
            // A line of one point can't be seen.
            if line.form == Form::Marks || stretch.len() == 1 {
                chart.draw_series(stretch.iter().map(|point| Circle::new(*point, 3 * FINE, colour.filled())))?;
            } else {
                chart.draw_series(LineSeries::new(stretch, stroke))?;
            }
        }
        Ok(())
    }

    /// The part of a band that is on the plot.
    fn within(&self, band: &Band<'_>) -> (f64, f64) {
        let (low, high) = self.x.range;
        let there = |at: f64| if at.is_nan() { low } else { at.clamp(low, high) };
        (there(band.from), there(band.to))
    }
}

fn size() -> (u32, u32) {
    ((SIZE.0 * FINE) as u32, (SIZE.1 * FINE) as u32)
}

fn words_at(across: HPos, up: VPos) -> TextStyle<'static> {
    // An SVG font size is this library's divided by 1.24.
    let size = f64::from(LETTERS * FINE) * 1.24;
    TextStyle::from(("system-ui, sans-serif", size).into_font()).color(&INK).pos(Pos::new(across, up))
}

/// A name, or as much of it as `letters` have room for; nothing where that would say nothing.
fn fitting(name: &str, letters: usize) -> Option<String> {
    let name = plain(name);
    if name.chars().count() <= letters {
        return Some(name);
    }
    (letters >= 4).then(|| format!("{}…", name.chars().take(letters - 1).collect::<String>().trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_name_is_cut_to_its_room() {
        assert_eq!(fitting("warm up", 7).as_deref(), Some("warm up"));
        assert_eq!(fitting("warm up", 6).as_deref(), Some("warm…"));
        assert_eq!(fitting("warm up", 3), None);
    }

    #[test]
    fn a_gap_interrupts_a_line() {
        let points = vec![(0.0, Some(1.0)), (1.0, Some(2.0)), (2.0, None), (3.0, Some(4.0))];
        let axis = Axis::linear(4.0, |value| value.to_string());
        let stretches = Series::line("p50", 0, points).stretches(&axis, &axis);
        assert_eq!(stretches, [vec![(0.0, 1.0), (1.0, 2.0)], vec![(3.0, 4.0)]]);
    }

    /// The library adds whole numbers of pixels, and overflows.
    #[test]
    fn values_that_no_axis_has_are_drawn_at_its_end() {
        let values = [1e300, -1e300, f64::INFINITY, f64::NAN, 1e-300, 0.0];
        let points: Vec<_> = values.iter().flat_map(|x| values.map(|y| (*x, Some(y)))).collect();
        let label = |value: f64| value.to_string();
        let extremes = [f64::MAX, f64::MIN_POSITIVE, 5e-324, 1.0, f64::INFINITY, f64::NAN];
        for most in extremes {
            let axes = [Axis::linear(most, label), Axis::binary(most, label), Axis::logarithmic(most, most, label)];
            for y in axes {
                let bands = vec![Band { name: "x", from: f64::NAN, to: 1e300, shaded: true }];
                let lines = vec![Series::area("x", 0, points.clone()), Series::marks("y", 1, points.clone())];
                let plot = Plot { title: "x", x: Axis::time(most), y, bands, lines };
                assert!(plot.svg().contains("</svg>"));
            }
        }
    }

    #[test]
    fn a_line_begins_anew_behind_what_has_no_place() {
        let axis = Axis::linear(4.0, |value| value.to_string());
        let points = vec![(0.0, Some(9.0)), (1.0, Some(f64::NAN)), (f64::NAN, Some(1.0)), (-2.0, Some(1.0))];
        let stretches = Series::line("p50", 0, points).stretches(&axis, &axis);
        let end = axis.range.1;
        assert_eq!(stretches.concat(), [(0.0, end), (0.0, 1.0)]);
    }
}
