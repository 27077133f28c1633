//! Pictures, transforms, data sets and batches against Pillow and torchvision (test/fixtures/images/make.py).

#![allow(clippy::unwrap_used, clippy::panic)]

use emberwing_core::data::transforms::{center_crop, resize_shorter_side};
use emberwing_core::data::{DataLoader, Dataset, Image, butterfly, decode, pixels_to_tensor, resize_exact};
use emberwing_core::random::Generator;
use serde_json::Value;

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/../../test/fixtures/images/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn golden(name: &str) -> Value {
    serde_json::from_slice(&fixture(name)).unwrap()
}

fn fixture_image(name: &str) -> Image {
    decode(name, &fixture(name)).unwrap()
}

fn numbers(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap() as usize).collect()
}

fn largest_difference(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

/// Values that say from which item they come: item `i` of shape 1x1x2 is `[i, -i]`.
fn numbered(count: usize, options: &str) -> Dataset {
    let values: Vec<f32> = (0..count).flat_map(|i| [i as f32, -(i as f32)]).collect();
    let mut dataset = Dataset::new(options).unwrap();
    dataset.add_pixels(&values, &[count, 1, 1, 2]).unwrap();
    dataset
}

/// The item numbers of each batch until the epoch ends.
fn epoch(loader: &mut DataLoader, dataset: &Dataset, generator: &mut Generator) -> Vec<Vec<usize>> {
    let batches = std::iter::from_fn(|| loader.next(dataset, generator).unwrap());
    batches.map(|batch| batch.values.chunks(2).map(|item| item[0] as usize).collect()).collect()
}

#[test]
fn every_format_decodes_to_what_pillow_sees() {
    let formats = golden("formats.json");
    for (name, expected) in formats.as_object().unwrap() {
        let image = fixture_image(name);
        let size = [image.width(), image.height(), image.channels()];
        assert_eq!(size, ["width", "height", "channels"].map(|key| expected[key].as_u64().unwrap() as usize), "{name}");
        let pixels: Vec<u8> = numbers(&expected["data"]).into_iter().map(|level| level as u8).collect();
        let difference = largest_difference(image.data(), &pixels);
        assert!(u64::from(difference) <= expected["tolerance"].as_u64().unwrap(), "{name}: {difference} levels");
    }
    assert_eq!(formats.as_object().unwrap().len(), 30);
}

#[test]
fn png_round_trips_and_jpeg_comes_close() {
    for image in [fixture_image("rgb.png"), fixture_image("grey.png")] {
        assert_eq!(decode("again.png", &image.encode_png().unwrap()).unwrap(), image);
        let jpeg = image.encode_jpeg(95).unwrap();
        assert!(jpeg.starts_with(&[0xff, 0xd8]));
        assert!(largest_difference(decode("again.jpg", &jpeg).unwrap().data(), image.data()) <= 8);
        assert!(image.encode_jpeg(10).unwrap().len() < jpeg.len());
    }
    assert!(fixture_image("rgb.png").encode_jpeg(0).unwrap_err().to_string().contains("quality"));
}

#[test]
fn what_is_no_picture_is_refused_by_name() {
    let message = |bytes: &[u8]| decode("holiday.png", bytes).unwrap_err().to_string();
    assert_eq!(message(b""), "[InvalidImage] holiday.png: the file is empty");
    assert_eq!(
        message(b"<html>not found</html>"),
        "[InvalidImage] holiday.png: expected PNG, JPEG, WebP, GIF or BMP, got content that is no image"
    );
    assert!(message(b"II*\0\x08\0\0\0").contains("TIFF is not read"));
    assert_eq!(
        message(b"\0\0\0\x20ftypavif\0\0\0\0mif1miaf"),
        "[InvalidImage] holiday.png: AVIF is not read: convert it to PNG, JPEG or WebP"
    );
    assert!(message(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").contains("HEIC is not read"));
}

/// 13 sizes of each of 13 kinds: sampling factors, colour spaces, progressive, restart markers.
#[test]
fn jpegs_decode_to_the_levels_of_libjpeg() {
    let (files, list) = (fixture("jpegs.bin"), golden("jpegs.json"));
    let mut rest = &files[..];
    for file in list.as_array().unwrap() {
        let [size, width, height, channels, sum] = [1, 2, 3, 4, 5].map(|field| file[field].as_u64().unwrap() as usize);
        let (bytes, after) = rest.split_at(size);
        rest = after;
        let image = decode("noise.jpg", bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!([image.width(), image.height(), image.channels()], [width, height, channels], "{file}");
        assert_eq!(crc32(image.data()) as usize, sum, "{file}");
    }
    assert!(rest.is_empty() && list.as_array().unwrap().len() == 169);
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}

/// As in Pillow: whatever comes after the pixels may be missing, but no pixel.
#[test]
fn a_png_may_break_off_behind_its_pixels() {
    for name in ["rgb.png", "palette.png", "rgb16.png", "bilevel.png", "exif_8.png"] {
        let (bytes, whole) = (fixture(name), fixture_image(name));
        // The last chunk of 12 bytes, then the checksum of the one before.
        for cut in 1..=16 {
            let outcome = decode(name, &bytes[..bytes.len() - cut]);
            assert_eq!(outcome.as_ref().ok(), Some(&whole), "{name} without its last {cut} bytes: {outcome:?}");
        }
        assert!(decode(name, &bytes[..bytes.len() - 45]).is_err(), "{name}");
    }
}

/// What a data set cuts out of an image equals what is cut out of the whole image at its new size.
#[test]
fn images_are_cropped_as_if_they_had_been_resized_first() {
    let mut generator = Generator::new(18);
    let mut draw = |low: i64, high: i64| generator.randint(low, high, 1).unwrap()[0] as usize;
    for case in 0..400 {
        let mut side = |thin: bool| if thin { draw(1, 4) } else { draw(1, 90) };
        let (width, height) = (side(case % 4 == 0), side(case % 4 == 1));
        let crop = [side(false).div_ceil(2), side(false).div_ceil(2)];
        let channels = [1, 3][case % 2];
        let levels = (0..width * height * channels).map(|_| draw(0, 256) as u8).collect();
        let image = Image::new(width, height, channels, levels).unwrap();
        let resized = resize_shorter_side(&image, crop).unwrap();
        let context = format!("{width}x{height}x{channels} to {crop:?}");
        for center in [true, false] {
            let options = format!(r#"{{"resolution":{crop:?},"channels":{channels},"centerCrop":{center}}}"#);
            let mut dataset = Dataset::new(&options).unwrap();
            dataset.add_image("image.png", &image.encode_png().unwrap()).unwrap();
            let centre = center_crop(&resized, crop).unwrap();
            assert_eq!(dataset.item(0).unwrap(), normalised(&centre), "{context}");
            let got = dataset.batch(&[0], &mut Generator::new(case as u64)).unwrap().values;
            let expected = if center { centre } else { plain_random_crop(&resized, crop, case as u64) };
            assert_eq!(got, normalised(&expected), "{context}, centerCrop {center}");
        }
    }
}

fn normalised(image: &Image) -> Vec<f32> {
    pixels_to_tensor(image.data(), image.channels(), image.height(), image.width()).unwrap()
}

/// torchvision's `RandomCrop` on a whole image.
fn plain_random_crop(image: &Image, [height, width]: [usize; 2], seed: u64) -> Image {
    let mut generator = Generator::new(seed);
    let mut offset = |last: usize| generator.randint(0, last as i64 + 1, 1).unwrap()[0] as usize;
    let fits = [image.height(), image.width()] == [height, width];
    let (top, left) = if fits { (0, 0) } else { (offset(image.height() - height), offset(image.width() - width)) };
    let channels = image.channels();
    let rows = image.data().chunks(image.width() * channels).skip(top).take(height);
    let data = rows.flat_map(|row| row[left * channels..(left + width) * channels].to_vec()).collect();
    Image::new(width, height, channels, data).unwrap()
}

/// At their new size these would take up to 51 GB.
#[test]
fn thin_images_take_the_memory_of_their_crop() {
    for (width, height) in [(1, 65_500), (65_500, 1), (1, 30_000), (3, 50_000)] {
        let levels = (0..width * height).map(|pixel| (pixel % 251) as u8).collect();
        let png = Image::new(width, height, 1, levels).unwrap().encode_png().unwrap();
        for options in ["", r#","centerCrop":true"#, r#","resize":"exact""#] {
            let mut dataset = Dataset::new(&format!(r#"{{"resolution":512{options}}}"#)).unwrap();
            dataset.add_image("thin.png", &png).unwrap();
            let held = emberwing_core::handle::Footprint::bytes(&dataset);
            assert!(held <= 4 * 512 * 512 * 3, "{width}x{height}{options}: {held} bytes");
            let batch = dataset.batch(&[0, 0], &mut Generator::new(1)).unwrap();
            assert_eq!(batch.shape, [2, 3, 512, 512]);
            assert!(batch.values.iter().any(|&value| value != batch.values[0]), "{width}x{height}{options}");
        }
    }
}

#[test]
fn what_cannot_fit_is_refused_before_it_is_tried() {
    let message = |options: &str| Dataset::new(options).unwrap_err().to_string();
    let expected = "[OutOfMemory] resolution: one image of 1000000x1000000: 15000000000000 bytes are needed";
    assert!(message(r#"{"resolution":1000000}"#).starts_with(expected), "{}", message(r#"{"resolution":1000000}"#));
    assert!(message(r#"{"resolution":[4294967295,4294967295]}"#).starts_with("[OutOfMemory] resolution"));
    let mut dataset = Dataset::new(r#"{"resolution":2048}"#).unwrap();
    dataset.add_image("rgb.png", &fixture("rgb.png")).unwrap();
    let error = dataset.batch(&vec![0; 10_000_000], &mut Generator::new(0)).unwrap_err().to_string();
    assert!(
        error.starts_with("[OutOfMemory] batchSize: a batch of 10000000 items of 3x2048x2048: 503316480000000 bytes")
    );
}

#[test]
fn truncated_files_are_refused() {
    for name in [
        "rgb.png",
        "rgb.jpg",
        "progressive.jpg",
        "exif_3.jpg",
        "rgb_lossless.webp",
        "rgb_lossy.webp",
        "rgb.gif",
        "rgb.bmp",
    ] {
        let bytes = fixture(name);
        for kept in [5, bytes.len() / 4, bytes.len() / 2, bytes.len() * 3 / 4, bytes.len() - 60] {
            let outcome = decode(name, &bytes[..kept]);
            assert!(outcome.is_err(), "{name} cut to {kept} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn a_small_file_cannot_claim_a_huge_picture() {
    let mut bytes = fixture("rgb.bmp");
    bytes[18..22].copy_from_slice(&20_000u32.to_le_bytes());
    bytes[22..26].copy_from_slice(&20_000u32.to_le_bytes());
    let message = decode("bomb.bmp", &bytes).unwrap_err().to_string();
    assert_eq!(message, "[InvalidImage] bomb.bmp: 20000x20000 pixels, expected 1 to 178956970 in all");
}

/// Damaged files may decode or not, but never panic; the damage is drawn from a fixed seed.
#[test]
fn damaged_files_never_panic() {
    let mut generator = Generator::new(0);
    let names: Vec<String> = golden("formats.json").as_object().unwrap().keys().cloned().collect();
    for name in names {
        let bytes = fixture(&name);
        for _ in 0..150 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + generator.randint(0, 8, 1).unwrap()[0] {
                let position = generator.randint(0, bytes.len() as i64, 1).unwrap()[0] as usize;
                damaged[position] = generator.randint(0, 256, 1).unwrap()[0] as u8;
            }
            damaged.truncate(generator.randint(1, 2 * bytes.len() as i64, 1).unwrap()[0] as usize);
            if let Ok(image) = decode(&name, &damaged) {
                assert_eq!(image.data().len(), image.width() * image.height() * image.channels());
            }
        }
    }
}

#[test]
fn resizing_equals_pillow() {
    let source = fixture_image("source.png");
    for (name, expected) in golden("resize.json").as_object().unwrap() {
        let size = numbers(&expected["size"]);
        let resized = resize_exact(&source, size[0], size[1]).unwrap();
        assert_eq!([resized.width(), resized.height()], size[..], "{name}");
        let difference = largest_difference(resized.data(), fixture_image(name).data());
        assert!(u64::from(difference) <= expected["tolerance"].as_u64().unwrap(), "{name}: {difference} levels");
    }
    assert_eq!(resize_exact(&source, 61, 47).unwrap(), source);
    assert!(resize_exact(&source, 0, 4).unwrap_err().to_string().contains("resolution"));
}

#[test]
fn grey_resizes_like_one_channel_of_rgb() {
    let grey = fixture_image("source.png").to_channels(1).unwrap();
    let rgb = grey.clone().to_channels(3).unwrap();
    let resized = resize_exact(&grey, 20, 33).unwrap();
    assert_eq!(resized.to_channels(3).unwrap(), resize_exact(&rgb, 20, 33).unwrap());
}

#[test]
fn the_shorter_side_and_the_centre_follow_torchvision() {
    let source = fixture_image("source.png");
    let expected = golden("transforms.json");
    for (size, expected) in expected["shorter_side"].as_object().unwrap() {
        let resized = resize_shorter_side(&source, [size.parse().unwrap(); 2]).unwrap();
        assert_eq!(vec![resized.width(), resized.height()], numbers(expected), "{size}");
    }
    for case in expected["center_boxes"].as_array().unwrap() {
        let (size, width) = (case[0].as_u64().unwrap() as usize, case[1].as_u64().unwrap() as usize);
        let row = Image::new(size, 1, 1, (1..=size as u8).collect()).unwrap();
        let kept = center_crop(&row, [1, width]).unwrap();
        assert_eq!(kept.data().iter().map(|&level| level.into()).collect::<Vec<usize>>(), numbers(&case[2]), "{case}");
    }
}

/// `torch.manual_seed(7)`, then six times the chain of transforms on the same picture.
#[test]
fn batches_equal_torchvisions_chain_bit_by_bit() {
    let expected = golden("transforms.json");
    for (name, options) in [
        ("random_crop", r#"{"resolution":20,"randomFlip":true}"#),
        ("center_crop", r#"{"resolution":20,"randomFlip":true,"centerCrop":true}"#),
        ("exact", r#"{"resolution":[20,20],"randomFlip":true,"resize":"exact"}"#),
    ] {
        let mut dataset = Dataset::new(options).unwrap();
        dataset.add_image("source.png", &fixture("source.png")).unwrap();
        let batch = dataset.batch(&[0; 6], &mut Generator::new(7)).unwrap().values;
        for (item, expected) in batch.chunks(3 * 20 * 20).zip(expected[name]["values"].as_array().unwrap()) {
            let expected: Vec<f32> = expected.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
            assert_eq!(item.iter().copied().step_by(37).collect::<Vec<_>>(), expected, "{name}");
        }
    }
}

#[test]
fn an_item_is_the_centre_and_never_flipped() {
    let mut dataset = Dataset::new(r#"{"resolution":[8,12],"channels":1,"randomFlip":true}"#).unwrap();
    dataset.add_image("rgb.png", &fixture("rgb.png")).unwrap();
    assert_eq!(dataset.item_shape().unwrap(), [1, 8, 12]);
    let grey = fixture_image("rgb.png").to_channels(1).unwrap();
    assert_eq!(dataset.item(0).unwrap(), pixels_to_tensor(grey.data(), 1, 8, 12).unwrap());
    let message = dataset.item(1).unwrap_err().to_string();
    assert_eq!(message, "[InvalidArgument] index: expected less than 1, the number of items, got 1");
}

#[test]
fn raw_values_are_used_as_they_are_and_say_the_shape() {
    let dataset = numbered(3, "{}");
    assert_eq!(dataset.item_shape().unwrap(), [1, 1, 2]);
    assert_eq!(dataset.batch(&[2, 0, 2], &mut Generator::new(0)).unwrap().values, [2.0, -2.0, 0.0, 0.0, 2.0, -2.0]);
    let flipped = numbered(1000, r#"{"randomFlip":true}"#);
    let batch = flipped.batch(&(0..1000).collect::<Vec<_>>(), &mut Generator::new(0)).unwrap().values;
    let mirrored = batch.chunks(2).filter(|item| item[0] < 0.0).count();
    assert!((450..550).contains(&mirrored), "{mirrored} of 1000 mirrored");
}

#[test]
fn raw_values_of_another_shape_or_not_finite_are_refused() {
    let mut dataset = numbered(3, "{}");
    let mut message = |values: &[f32], shape: &[usize]| dataset.add_pixels(values, shape).unwrap_err().to_string();
    assert!(message(&[0.0; 4], &[4]).starts_with("[ShapeMismatch] shape: expected [count, channels, height, width]"));
    assert!(message(&[0.0; 4], &[1, 1, 2, 2]).starts_with("[ShapeMismatch] shape"));
    assert!(message(&[0.0; 5], &[2, 1, 1, 2]).starts_with("[ShapeMismatch] values"));
    assert_eq!(
        message(&[0.0, f32::NAN], &[1, 1, 1, 2]),
        "[NotFinite] values: expected finite numbers, got NaN at position 1"
    );
    assert_eq!(dataset.len(), 3);
}

#[test]
fn options_that_cannot_work_are_refused() {
    let message = |options: &str| Dataset::new(options).unwrap_err().to_string();
    assert!(message(r#"{"resolutoin":32}"#).contains("resolutoin: unknown option, expected one of resolution, "));
    assert!(message(r#"{"resolution":"32"}"#).contains("expected a number of pixels, or [height, width]"));
    assert!(message(r#"{"resolution":[0,32]}"#).starts_with("[InvalidArgument] resolution: expected at least 1 pixel"));
    assert!(
        message(r#"{"resolution":32,"channels":4}"#).starts_with("[InvalidArgument] channels: expected 1 or 3, got 4")
    );
    assert!(
        message(r#"{"resize":"squash"}"#)
            .contains("resize: expected one of \"shorter-side\", \"exact\", got \"squash\"")
    );
    let mut without = Dataset::new("{}").unwrap();
    assert!(without.add_image("rgb.png", &fixture("rgb.png")).unwrap_err().to_string().contains("resolution"));
    assert!(without.item_shape().unwrap_err().to_string().contains("resolution"));
}

#[test]
fn the_loader_draws_an_order_for_each_epoch() {
    let dataset = numbered(10, "{}");
    let mut generator = Generator::new(3);
    let mut loader = DataLoader::new(r#"{"batchSize":4}"#).unwrap();
    assert_eq!(loader.steps_per_epoch(&dataset).unwrap(), 3);
    let mut reference = Generator::new(3);
    for _ in 0..3 {
        let batches = epoch(&mut loader, &dataset, &mut generator);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
        let order: Vec<usize> = reference.randperm(10).into_iter().map(|index| index as usize).collect();
        assert_eq!(batches.concat(), order);
    }
}

#[test]
fn the_loader_keeps_the_order_and_drops_the_rest_when_told() {
    let dataset = numbered(10, "{}");
    let mut generator = Generator::new(3);
    let mut loader = DataLoader::new(r#"{"batchSize":4,"shuffle":false,"dropLast":true}"#).unwrap();
    assert_eq!(loader.steps_per_epoch(&dataset).unwrap(), 2);
    for _ in 0..2 {
        assert_eq!(epoch(&mut loader, &dataset, &mut generator), [[0, 1, 2, 3], [4, 5, 6, 7]]);
    }
    assert_eq!(generator.state(), Generator::new(3).state(), "nothing was drawn");
}

#[test]
fn a_loader_goes_on_from_its_saved_state() {
    let dataset = numbered(7, "{}");
    let mut generator = Generator::new(5);
    let mut loader = DataLoader::new(r#"{"batchSize":2}"#).unwrap();
    loader.next(&dataset, &mut generator).unwrap();
    let mut resumed: DataLoader = serde_json::from_str(&serde_json::to_string(&loader).unwrap()).unwrap();
    let rest = epoch(&mut loader, &dataset, &mut generator.clone());
    assert_eq!(rest.concat().len(), 5);
    assert_eq!(epoch(&mut resumed, &dataset, &mut generator), rest);
}

#[test]
fn loaders_without_a_batch_say_so() {
    let mut generator = Generator::new(0);
    let mut message = |dataset: &Dataset, options: &str| {
        DataLoader::new(options).and_then(|mut loader| loader.next(dataset, &mut generator)).unwrap_err().to_string()
    };
    let (empty, three) = (Dataset::new("{}").unwrap(), numbered(3, "{}"));
    assert!(message(&empty, "{}").starts_with("[InvalidArgument] dataset: expected at least one image"));
    assert!(
        message(&three, r#"{"batchSize":4,"dropLast":true}"#)
            .starts_with("[InvalidArgument] batchSize: expected at most 3")
    );
    assert!(
        message(&three, r#"{"batchSize":0}"#).starts_with("[InvalidArgument] batchSize: expected at least 1, got 0")
    );
    assert!(message(&three, r#"{"batch":2}"#).contains("batch: unknown option, expected one of batchSize, "));
}

const SEED: u64 = 1;

fn mean_difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}

fn mirrored(image: &Image) -> Vec<u8> {
    let rows = image.data().chunks(3 * image.width());
    rows.flat_map(|row| row.chunks(3).rev().flatten().copied().collect::<Vec<_>>()).collect()
}

#[test]
fn a_butterfly_depends_on_seed_and_index_only() {
    let first = butterfly(SEED, 7, 32).unwrap();
    assert_eq!([first.width(), first.height(), first.channels()], [32, 32, 3]);
    assert_eq!(first, butterfly(SEED, 7, 32).unwrap());
    assert!(mean_difference(first.data(), butterfly(SEED, 8, 32).unwrap().data()) > 5.0);
    assert!(mean_difference(first.data(), butterfly(SEED + 1, 7, 32).unwrap().data()) > 5.0);
}

/// Models that were trained on the set must find the same pictures in later versions and on other machines.
#[test]
fn butterflies_stay_as_they_were_drawn() {
    let means: Vec<[f64; 3]> = (0..6).map(|index| channel_means(&butterfly(SEED, index, 32).unwrap())).collect();
    let expected = [
        [199.96, 194.15, 191.07],
        [227.14, 225.80, 197.05],
        [217.81, 216.00, 210.68],
        [222.44, 202.88, 184.93],
        [209.26, 207.54, 212.16],
        [220.69, 209.68, 193.93],
    ];
    for (mean, expected) in means.iter().zip(expected) {
        assert!(mean.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.25), "{means:.2?}");
    }
}

fn channel_means(image: &Image) -> [f64; 3] {
    let pixels = (image.width() * image.height()) as f64;
    [0, 1, 2].map(|channel| image.data().iter().skip(channel).step_by(3).map(|&v| f64::from(v)).sum::<f64>() / pixels)
}

#[test]
fn butterflies_fill_a_white_frame_without_touching_it() {
    for index in 0..200 {
        let image = butterfly(SEED, index, 32).unwrap();
        let darkest = |pixels: &[usize]| {
            pixels.iter().flat_map(|&pixel| &image.data()[3 * pixel..3 * pixel + 3]).min().copied().unwrap()
        };
        let corners = [0, 31, 31 * 32, 32 * 32 - 1];
        assert!(darkest(&corners) >= 250, "{index}: corners are paper");
        let edges: Vec<usize> = (0..32).flat_map(|i| [i, 31 * 32 + i]).collect();
        assert!(darkest(&edges) >= 230, "{index}: {} at the upper or lower edge", darkest(&edges));
        let column = |x: usize| darkest(&(0..32).map(|y| 32 * y + x).collect::<Vec<_>>());
        let width = (0..32).filter(|&x| column(x) < 225).count();
        assert!((23..=32).contains(&width), "{index}: {width} columns");
    }
}

#[test]
fn butterflies_are_symmetric() {
    let images: Vec<Image> = (0..100).map(|index| butterfly(SEED, index, 32).unwrap()).collect();
    let own: f64 = images.iter().map(|image| mean_difference(image.data(), &mirrored(image))).sum();
    let others: f64 = images.windows(2).map(|pair| mean_difference(pair[0].data(), &mirrored(&pair[1]))).sum();
    assert!(own < 0.5 * others, "{own} to themselves mirrored, {others} to others mirrored");
}

#[test]
fn a_butterfly_is_the_same_at_every_resolution() {
    for index in 0..6 {
        let small = butterfly(SEED, index, 32).unwrap();
        for resolution in [48, 64, 128, 200] {
            let large = butterfly(SEED, index, resolution).unwrap();
            let difference = mean_difference(resize_exact(&large, 32, 32).unwrap().data(), small.data());
            assert!(difference < 5.0, "{index} at {resolution}: {difference}");
        }
    }
    assert_eq!(butterfly(SEED, 0, 1).unwrap().data().len(), 3);
    for resolution in [0, 5000] {
        let message = butterfly(SEED, 0, resolution).unwrap_err().to_string();
        assert!(message.starts_with("[InvalidArgument] resolution: expected 1 to 2048"), "{message}");
    }
}

#[test]
fn the_set_has_the_colours_of_photographs() {
    let values: Vec<f64> = (0..300).flat_map(|i| butterfly(SEED, i, 32).unwrap().into_data()).map(f64::from).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
    // 716 photographs of museum specimens on white, 32 px: mean 212, standard deviation 69.
    assert!((mean - 212.0).abs() < 8.0 && (deviation - 69.0).abs() < 6.0, "mean {mean}, deviation {deviation}");
}

#[test]
fn a_dataset_holds_butterflies_in_their_order() {
    let mut dataset = Dataset::new(r#"{"resolution":16}"#).unwrap();
    dataset.add_butterflies(3, 2, SEED).unwrap();
    assert_eq!(dataset.len(), 2);
    let expected = butterfly(SEED, 4, 16).unwrap();
    assert_eq!(dataset.item(1).unwrap(), pixels_to_tensor(expected.data(), 3, 16, 16).unwrap());
}

#[test]
fn a_fingerprint_tells_images_apart_and_not_where_they_lie() {
    let folder = std::env::temp_dir().join(format!("emberwing-fingerprint-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let names = ["rgb.png", "grey.png", "rgb.jpg"];
    for name in names {
        std::fs::write(folder.join(name), fixture(name)).unwrap();
    }
    let held = |names: &[&str]| {
        let mut dataset = Dataset::new(r#"{"resolution":8}"#).unwrap();
        names.iter().for_each(|name| dataset.add_image("another name", &fixture(name)).unwrap());
        dataset.fingerprint().to_string()
    };
    let stored = |names: &[&str]| {
        let names = serde_json::from_str(&serde_json::to_string(names).unwrap()).unwrap();
        let mut dataset = Dataset::new(r#"{"resolution":8}"#).unwrap();
        dataset.add_files(&folder, names, false).unwrap();
        dataset.fingerprint().to_string()
    };
    assert_eq!(held(&names), stored(&names));
    assert_ne!(held(&names), held(&["rgb.png", "rgb.jpg", "grey.png"]));
    assert_ne!(held(&names), held(&names[..2]));
    assert_ne!(stored(&names), stored(&["rgb.png", "grey.png", "none.jpg"]));
    std::fs::remove_dir_all(&folder).unwrap();

    let labelled = |labels: &[u32]| {
        let mut dataset = numbered(2, "{}");
        dataset.set_class_labels(labels).unwrap();
        dataset.fingerprint().to_string()
    };
    assert_eq!(labelled(&[0, 1]), labelled(&[0, 1]));
    assert_ne!(labelled(&[0, 1]), labelled(&[1, 0]));
    assert_ne!(labelled(&[0, 1]), numbered(2, "{}").fingerprint());
}

#[cfg(unix)]
#[test]
fn what_is_no_file_or_larger_than_any_picture_is_passed_over() {
    let folder = std::env::temp_dir().join(format!("emberwing-passed-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("folder.png")).unwrap();
    std::fs::write(folder.join("a.png"), fixture("rgb.png")).unwrap();
    std::fs::File::create(folder.join("sparse.png")).unwrap().set_len(1 << 40).unwrap();
    let names = r#"["folder.png", "sparse.png", "none.png", "a.png"]"#;
    let mut dataset = Dataset::new(r#"{"resolution":8}"#).unwrap();
    dataset.add_files(&folder, serde_json::from_str(names).unwrap(), false).unwrap();
    let batch = dataset.batch(&[0, 1, 2, 3], &mut Generator::new(0)).unwrap();
    assert_eq!(batch.indices, [3, 3, 3, 3]);
    let problems: Vec<String> = std::iter::from_fn(|| dataset.take_problem()).collect();
    assert_eq!(problems.len(), 3);
    for (problem, start) in problems.iter().zip(["folder.png: cannot", "sparse.png: cannot", "none.png: cannot"]) {
        assert!(problem.starts_with(start), "{problem}");
    }
    dataset.add_files(&folder, serde_json::from_str(r#"["folder.png"]"#).unwrap(), true).unwrap();
    assert!(dataset.batch(&[4], &mut Generator::new(0)).unwrap_err().to_string().contains("no regular file"));
    std::fs::remove_dir_all(&folder).unwrap();
}
