//! Texts of files, and pictures.

/// Texts of files, and pictures: host arithmetic, synchronous.
#[macro_export]
macro_rules! file_bindings {
    ($bind:ident, $Floats:ty, $Sizes:ty, $Bytes:ty, $Result:ident, $error:ident) => {
        #[$bind(js_name = "diffusersVersion")]
        pub fn diffusers_version() -> String {
            $crate::pretrained::config::DIFFUSERS_VERSION.to_string()
        }

        #[$bind(js_name = "shardFiles")]
        pub fn shard_files(index_name: String, text: String) -> $Result<String> {
            let index = $crate::pretrained::shards::ShardIndex::parse(&index_name, &text).map_err($error)?;
            Ok($crate::json::to_json(&index.files()))
        }

        #[$bind(js_name = "parsePythonJson")]
        pub fn parse_python_json(file_name: String, text: String) -> $Result<String> {
            $crate::pretrained::python_json::parse_to_json(&file_name, &text).map_err($error)
        }

        #[$bind(js_name = "formatPythonJson")]
        pub fn format_python_json(json: String) -> $Result<String> {
            $crate::pretrained::python_json::format_from_json(&json).map_err($error)
        }

        #[$bind(js_name = "modelConfig")]
        pub fn model_config(file_name: String, text: String) -> $Result<String> {
            $crate::bindings::support::model_config(&file_name, &text).map_err($error)
        }

        #[$bind(js_name = "modelConfigWarning")]
        pub fn model_config_warning(file_name: String, text: String) -> $Result<String> {
            $crate::bindings::support::model_config_warning(&file_name, &text).map_err($error)
        }

        #[$bind(js_name = "schedulerWarning")]
        pub fn scheduler_warning(text: String, class_name: String) -> $Result<String> {
            $crate::bindings::support::scheduler_warning(&text, &class_name).map_err($error)
        }

        #[$bind]
        pub struct DecodedImage($crate::data::Image);

        #[$bind]
        impl DecodedImage {
            #[$bind]
            pub fn width(&self) -> u32 {
                self.0.width() as u32
            }

            #[$bind]
            pub fn height(&self) -> u32 {
                self.0.height() as u32
            }

            #[$bind]
            pub fn channels(&self) -> u32 {
                self.0.channels() as u32
            }

            #[$bind]
            pub fn data(&self) -> $Bytes {
                self.0.data().to_vec().into()
            }
        }

        #[$bind(js_name = "decodeImage")]
        pub fn decode_image(name: String, bytes: $Bytes) -> $Result<DecodedImage> {
            $crate::data::decode(&name, &bytes).map(DecodedImage).map_err($error)
        }

        #[$bind(js_name = "encodePng")]
        pub fn encode_png(data: $Bytes, width: u32, height: u32, channels: u32) -> $Result<$Bytes> {
            let image = $crate::bindings::support::image(&data, width, height, channels).map_err($error)?;
            image.encode_png().map(Into::into).map_err($error)
        }

        #[$bind(js_name = "encodeJpeg")]
        pub fn encode_jpeg(data: $Bytes, width: u32, height: u32, channels: u32, quality: u8) -> $Result<$Bytes> {
            let image = $crate::bindings::support::image(&data, width, height, channels).map_err($error)?;
            image.encode_jpeg(quality).map(Into::into).map_err($error)
        }

        #[$bind(js_name = "tensorToPixels")]
        pub fn tensor_to_pixels(values: $Floats, channels: u32, height: u32, width: u32) -> $Result<$Bytes> {
            let (channels, height, width) = (channels as usize, height as usize, width as usize);
            $crate::data::tensor_to_pixels(&values, channels, height, width).map(Into::into).map_err($error)
        }

        #[$bind(js_name = "pixelsToTensor")]
        pub fn pixels_to_tensor(data: $Bytes, channels: u32, height: u32, width: u32) -> $Result<$Floats> {
            let (channels, height, width) = (channels as usize, height as usize, width as usize);
            $crate::data::pixels_to_tensor(&data, channels, height, width).map(Into::into).map_err($error)
        }

        #[$bind(js_name = "pixelsToMask")]
        pub fn pixels_to_mask(data: $Bytes, channels: u32, height: u32, width: u32) -> $Result<$Floats> {
            let (channels, height, width) = (channels as usize, height as usize, width as usize);
            $crate::data::pixels_to_mask(&data, channels, height, width).map(Into::into).map_err($error)
        }

        #[$bind(js_name = "toUnitImages")]
        pub fn to_unit_images(values: $Floats, shape: $Sizes) -> $Result<$Floats> {
            let shape = $crate::bindings::support::sizes(&shape);
            $crate::data::to_unit_images(&values, &shape).map(Into::into).map_err($error)
        }
    };
}
