//! A report as a picture.

use super::Report;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use plotters::style::text_anchor::Pos;
use plotters::style::text_anchor::VPos;

const WIDTH: u32 = 760;
/// Height of a mode's three bars, and of what stands around them.
const MODE_HEIGHT: u32 = 58;
const FRAME_HEIGHT: u32 = 100;
/// Room for the names of modes.
const NAMES: u32 = 130;

/// Figures end at 1; beyond it stands the legend.
const AXIS_END: f64 = 1.3;

const COLOURS: [RGBColor; 3] = [
    RGBColor(4, 90, 141),
    RGBColor(116, 169, 207),
    RGBColor(189, 189, 189),
];
const MEASURES: [&str; 3] = ["nDCG@10", "MRR@10", "recall@100"];

/// Bars of nDCG@10, MRR@10 and recall@100 for every mode, as SVG.
#[must_use]
pub fn svg(report: &Report) -> String {
    let mut text = String::new();
    let height = FRAME_HEIGHT + MODE_HEIGHT * report.modes.len() as u32;
    let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
    // Drawing into a string cannot fail.
    let _ = draw(report, &area);
    drop(area);
    text
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Failed<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

fn draw<'a>(report: &Report, area: &Area<'a>) -> Result<(), Failed<'a>> {
    area.fill(&WHITE)?;
    let title = format!("{} questions from {}", report.questions, report.source);
    let modes = report.modes.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(24)
        .y_label_area_size(NAMES)
        .build_cartesian_2d(0.0..AXIS_END, modes..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(229, 229, 229))
        .x_labels(14)
        .x_label_formatter(&|&x| match x {
            x if x > 1.01 => String::new(),
            x => format!("{x:.1}"),
        })
        .y_labels(0)
        .draw()?;
    let place = |h, v| Pos::new(h, v);
    let name = ("sans-serif", 13)
        .into_text_style(area)
        .pos(place(HPos::Right, VPos::Center));
    let figure = ("sans-serif", 11)
        .into_text_style(area)
        .pos(place(HPos::Left, VPos::Center));
    for (measure, (label, colour)) in MEASURES.into_iter().zip(COLOURS).enumerate() {
        let bars = report.modes.iter().zip(0u32..).map(|(mode, at)| {
            let value = [mode.ndcg10, mode.mrr10, mode.recall100][measure];
            let top = f64::from(at) + 0.1 + 0.27 * measure as f64;
            (value, top)
        });
        let bars: Vec<(f64, f64)> = bars.collect();
        let bar = |&(value, top): &(f64, f64)| {
            Rectangle::new([(0.0, top), (value, top + 0.25)], colour.filled())
        };
        chart
            .draw_series(bars.iter().map(bar))?
            .label(label)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled()));
        chart.draw_series(bars.iter().map(|&(value, top)| {
            EmptyElement::at((value, top + 0.125))
                + Text::new(format!("{value:.3}"), (4, 0), figure.clone())
        }))?;
    }
    for (at, mode) in (0u32..).zip(&report.modes) {
        let middle = (0.0, f64::from(at) + 0.5);
        let text = Text::new(mode.mode.clone(), (-8, 0), name.clone());
        chart
            .plotting_area()
            .draw(&(EmptyElement::at(middle) + text))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE)
        .label_font(("sans-serif", 11))
        .draw()?;
    area.present()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Figures;
    use crate::evaluate::Question;

    #[test]
    fn picture_names_every_mode_and_escapes_names() {
        let questions = [Question::default()];
        let modes = ["keyword", "a<b"].map(|name| Figures::of(name, &questions, &[]));
        let svg = svg(&Report::new("qrels", 1, modes.into()));
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for text in ["keyword", "a&lt;b", "nDCG@10", "1 questions from qrels"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
    }
}
