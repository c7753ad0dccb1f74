//! Plots as SVG: bars to compare medians by, curves to see what lies beside them.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Error;
use crate::contender::Kind;
use crate::measure::{Condition, Figure, Measured};
use crate::report::number;
use crate::statistics::Spread;

/// Pixels.
const SIZE: (u32, u32) = (760, 420);

/// A curve: its name, its colour, its points.
pub struct Curve {
    /// Its name.
    pub name: String,
    /// Its colour.
    pub colour: RGBColor,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// The colour of a contender, the same in each plot.
pub fn colour(kind: Kind) -> RGBColor {
    match kind {
        Kind::Ours => RGBColor(0, 114, 178),
        Kind::Python => RGBColor(230, 159, 0),
        Kind::Node => RGBColor(0, 158, 115),
        Kind::Floor => RGBColor(120, 120, 120),
    }
}

/// All plots of what was measured in a condition.
///
/// # Errors
/// When one cannot be drawn.
pub fn all(measured: &Measured, condition: Condition, folder: &Path) -> Result<(), Error> {
    let plots: [(&str, &str, Figure); 5] = [
        ("init", "init to first poll, ms", |summary| summary.init),
        ("first", "first event, ms", |summary| summary.first),
        ("warm", "warm event, p50, ms", |summary| summary.p50),
        ("cpu", "CPU per warm event, ms", |summary| summary.cpu),
        ("memory", "peak memory, MB", |summary| summary.peak),
    ];
    for (name, what, value) in plots {
        let bars: Vec<_> = Kind::ALL
            .into_iter()
            .filter_map(|kind| Some((kind.title(), colour(kind), value(&measured.summary(condition, kind)?))))
            .collect();
        let title = format!("{what} ({})", condition.title);
        bars_to(&folder.join(format!("{name}-{}.svg", condition.name)), &title, &bars)?;
    }
    let title = format!("warm events ({})", condition.title);
    let curves: Vec<Curve> =
        Kind::ALL.into_iter().filter_map(|kind| distribution(measured, condition, kind)).collect();
    let path = folder.join(format!("latency-{}.svg", condition.name));
    curves_to(&path, &title, ("latency, ms", "share of events, %"), &curves)
}

/// How many percent of the warm events took no longer than that.
fn distribution(measured: &Measured, condition: Condition, kind: Kind) -> Option<Curve> {
    let samples = measured.samples.get(condition.name)?.get(&kind)?;
    let mut latencies: Vec<f64> = samples.iter().flat_map(|sample| sample.warm.iter().copied()).collect();
    latencies.sort_by(f64::total_cmp);
    let count = f64::from(u32::try_from(latencies.len()).ok()?);
    let percents = (1..).map(|rank: u32| 100.0 * f64::from(rank) / count);
    Some(Curve {
        name: kind.title().to_owned(),
        colour: colour(kind),
        points: latencies.into_iter().zip(percents).collect(),
    })
}

/// Bars with the median as a number, and a line from the least to the most.
///
/// # Errors
/// When the file cannot be written.
pub fn bars_to(path: &Path, title: &str, bars: &[(&str, RGBColor, Spread)]) -> Result<(), Error> {
    let highest = bars.iter().map(|(_, _, spread)| spread.most).fold(f64::MIN_POSITIVE, f64::max);
    let draw = || -> Result<(), Box<dyn std::error::Error>> {
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let places = f64::from(u32::try_from(bars.len())?);
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 18))
            .margin(16)
            .x_label_area_size(32)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..places, 0.0..highest * 1.15)?;
        chart.configure_mesh().disable_x_mesh().disable_x_axis().light_line_style(TRANSPARENT).draw()?;
        let label = ("sans-serif", 14).into_font().color(&BLACK);
        let middle = |vertical| label.clone().pos(Pos::new(HPos::Center, vertical));
        for (place, (name, colour, spread)) in bars.iter().enumerate() {
            let centre = f64::from(u32::try_from(place)?) + 0.5;
            let bar = [(centre - 0.3, 0.0), (centre + 0.3, spread.median)];
            chart.draw_series([Rectangle::new(bar, colour.filled())])?;
            chart.draw_series([PathElement::new(
                vec![(centre, spread.least), (centre, spread.most)],
                BLACK,
            )])?;
            let value = number(spread.median);
            chart.draw_series([
                Text::new(value, (centre, spread.most + highest * 0.02), middle(VPos::Bottom)),
                Text::new((*name).to_owned(), (centre, -highest * 0.02), middle(VPos::Top)),
            ])?;
        }
        area.present()?;
        Ok(())
    };
    draw().map_err(|error| Error::unreadable(path.display().to_string())(error))
}

/// Curves over a logarithmic axis from left to right.
///
/// # Errors
/// When the file cannot be written.
pub fn curves_to(path: &Path, title: &str, (x, y): (&str, &str), curves: &[Curve]) -> Result<(), Error> {
    let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let least = points().map(|(x, _)| x).fold(f64::INFINITY, f64::min);
    let most = points().map(|(x, _)| x).fold(f64::MIN_POSITIVE, f64::max);
    let highest = points().map(|(_, y)| y).fold(f64::MIN_POSITIVE, f64::max);
    let draw = || -> Result<(), Box<dyn std::error::Error>> {
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 18))
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(56)
            .build_cartesian_2d((least.min(most) * 0.9..most * 1.1).log_scale(), 0.0..highest)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc(x)
            .y_desc(y)
            .x_label_formatter(&|x| number(*x))
            .draw()?;
        for curve in curves {
            let colour = curve.colour;
            chart
                .draw_series(LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2)))?
                .label(&curve.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE)
            .border_style(RGBColor(200, 200, 200))
            .draw()?;
        area.present()?;
        Ok(())
    };
    draw().map_err(|error| Error::unreadable(path.display().to_string())(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_its_title_its_names_and_its_numbers() {
        let folder = std::env::temp_dir();
        let path = folder.join(format!("benches-plot-{}.svg", std::process::id()));
        let spread = Spread { median: 12.5, least: 11.0, most: 14.0 };
        bars_to(&path, "init, ms", &[("ours", colour(Kind::Ours), spread)]).unwrap();
        let bars = std::fs::read_to_string(&path).unwrap();
        let curve = Curve {
            name: "ours".to_owned(),
            colour: colour(Kind::Ours),
            points: vec![(1.0, 50.0), (2.0, 100.0)],
        };
        curves_to(&path, "warm events", ("latency, ms", "share, %"), &[curve]).unwrap();
        let curves = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        for text in ["init, ms", "ours", "12.5"] {
            assert!(bars.contains(text), "{text}: {bars}");
        }
        for text in ["warm events", "latency, ms", "polyline"] {
            assert!(curves.contains(text), "{text}: {curves}");
        }
    }
}
