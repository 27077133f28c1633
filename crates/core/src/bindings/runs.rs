//! Data sets and whole runs.

/// Data sets and whole runs.
#[macro_export]
macro_rules! run_bindings {
    ($bind:ident, $Floats:ty, $Sizes:ty, $Bytes:ty, $Result:ident, $error:ident) => {
        #[$bind]
        pub struct Dataset($crate::handle::Handle<$crate::data::Dataset>);

        #[$bind]
        impl Dataset {
            #[$bind(constructor)]
            pub fn new(options: String) -> $Result<Dataset> {
                let dataset = $crate::data::Dataset::new(&options).map_err($error)?;
                Ok(Self($crate::handle::Handle::new("the data set", dataset)))
            }

            #[$bind(js_name = "addImage")]
            pub async fn add_image(&self, name: String, bytes: $Bytes) -> $Result<()> {
                let (dataset, bytes) = (self.0.clone(), bytes.to_vec());
                let add = async move || dataset.with(async |dataset| dataset.add_image(&name, &bytes)).await;
                $crate::handle::run(add).await.map_err($error)
            }

            #[$bind(js_name = "addPixels")]
            pub async fn add_pixels(&self, values: $Floats, shape: $Sizes) -> $Result<()> {
                let (dataset, values) = (self.0.clone(), values.to_vec());
                let shape = $crate::bindings::support::sizes(&shape);
                let add = async move || dataset.with(async |dataset| dataset.add_pixels(&values, &shape)).await;
                $crate::handle::run(add).await.map_err($error)
            }

            #[$bind(js_name = "addButterflies")]
            pub async fn add_butterflies(&self, first: u32, count: u32, seed: f64) -> $Result<()> {
                let dataset = self.0.clone();
                let (first, count) = (first as usize, count as usize);
                let seed = $crate::bindings::support::seed(seed).map_err($error)?;
                let add = async move || dataset.with(async |dataset| dataset.add_butterflies(first, count, seed)).await;
                $crate::handle::run(add).await.map_err($error)
            }

            #[$bind]
            pub async fn length(&self) -> $Result<u32> {
                let dataset = self.0.clone();
                let length = async move || dataset.with(async |dataset| Ok(dataset.len() as u32)).await;
                $crate::handle::run(length).await.map_err($error)
            }

            #[$bind]
            pub async fn shape(&self) -> $Result<$Sizes> {
                let dataset = self.0.clone();
                let shape = async move || dataset.with(async |dataset| dataset.item_shape()).await;
                let shape = $crate::handle::run(shape).await.map_err($error)?;
                Ok(shape.map(|size| size as u32).to_vec().into())
            }

            #[$bind]
            pub async fn item(&self, index: u32) -> $Result<$Floats> {
                let dataset = self.0.clone();
                let item = async move || dataset.with(async |dataset| dataset.item(index as usize)).await;
                let values = $crate::handle::run(item).await.map_err($error)?;
                Ok(values.into())
            }

            #[$bind]
            pub fn dispose(&self) {
                self.0.dispose();
            }
        }

        #[$bind]
        pub struct DataLoader {
            loader: $crate::handle::Handle<$crate::data::DataLoader>,
            dataset: $crate::handle::Handle<$crate::data::Dataset>,
            generator: $crate::bindings::support::SharedGenerator,
        }

        #[$bind]
        impl DataLoader {
            #[$bind(constructor)]
            pub fn new(dataset: &Dataset, generator: &Generator, options: String) -> $Result<DataLoader> {
                let loader = $crate::data::DataLoader::new(&options).map_err($error)?;
                let loader = $crate::handle::Handle::new("the data loader", loader);
                Ok(Self { loader, dataset: dataset.0.clone(), generator: generator.0.clone() })
            }

            #[$bind]
            pub async fn next(&self) -> $Result<$Floats> {
                let (loader, dataset) = (self.loader.clone(), self.dataset.clone());
                let generator = self.generator.clone();
                let next = async move || $crate::bindings::support::next_batch(&loader, &dataset, &generator).await;
                let batch = $crate::handle::run(next).await.map_err($error)?;
                Ok(batch.into())
            }

            #[$bind]
            pub fn dispose(&self) {
                self.loader.dispose();
            }
        }

        #[$bind]
        pub struct Trainer {
            trainer: $crate::handle::Handle<$crate::training::Trainer>,
            model: $crate::handle::Handle<$crate::models::UNet2DModel>,
            dataset: $crate::handle::Handle<$crate::data::Dataset>,
            generator: $crate::bindings::support::SharedGenerator,
        }

        #[$bind]
        impl Trainer {
            #[$bind(constructor)]
            pub fn new(
                model: &UNet2DModel,
                scheduler: &Scheduler,
                dataset: &Dataset,
                generator: &Generator,
                options: String,
            ) -> $Result<Trainer> {
                let options = $crate::json::from_json(&options).map_err($error)?;
                let scheduler = $crate::bindings::support::lock(&scheduler.0).clone();
                let trainer = $crate::training::Trainer::new(options, scheduler).map_err($error)?;
                Ok(Self {
                    trainer: $crate::handle::Handle::new("the trainer", trainer),
                    model: model.0.handle.clone(),
                    dataset: dataset.0.clone(),
                    generator: generator.0.clone(),
                })
            }

            #[$bind]
            pub async fn next(&self) -> $Result<String> {
                let (trainer, model) = (self.trainer.clone(), self.model.clone());
                let (dataset, generator) = (self.dataset.clone(), self.generator.clone());
                let next =
                    async move || $crate::bindings::support::next_event(&trainer, &model, &dataset, &generator).await;
                $crate::handle::run(next).await.map_err($error)
            }

            #[$bind]
            pub fn dispose(&self) {
                self.trainer.dispose();
            }
        }

        #[$bind]
        pub struct Denoising {
            denoising: $crate::handle::Handle<$crate::pipelines::Denoising>,
            model: $crate::handle::Handle<$crate::models::UNet2DModel>,
            generator: $crate::bindings::support::SharedGenerator,
        }

        #[$bind]
        impl Denoising {
            #[$bind(constructor)]
            pub fn new(
                model: &UNet2DModel,
                scheduler: &Scheduler,
                generator: &Generator,
                options: String,
                initial_sample: $Floats,
                shape: $Sizes,
            ) -> $Result<Denoising> {
                let scheduler = $crate::bindings::support::lock(&scheduler.0).clone();
                let options = $crate::json::from_json(&options).map_err($error)?;
                let shape = $crate::bindings::support::sizes(&shape);
                let denoising = $crate::pipelines::Denoising::new(scheduler, options, initial_sample.to_vec(), shape);
                Ok(Self {
                    denoising: $crate::handle::Handle::new("the denoising loop", denoising.map_err($error)?),
                    model: model.0.handle.clone(),
                    generator: generator.0.clone(),
                })
            }

            #[$bind(js_name = "fromImage")]
            #[allow(clippy::too_many_arguments)]
            pub fn from_image(
                model: &UNet2DModel,
                scheduler: &Scheduler,
                generator: &Generator,
                options: String,
                image: $Floats,
                noise: $Floats,
                shape: $Sizes,
                begin_index: u32,
            ) -> $Result<Denoising> {
                let scheduler = $crate::bindings::support::lock(&scheduler.0).clone();
                let options = $crate::json::from_json(&options).map_err($error)?;
                let (shape, begin) = ($crate::bindings::support::sizes(&shape), begin_index as usize);
                let denoising =
                    $crate::pipelines::Denoising::from_image(scheduler, options, &image, &noise, shape, begin);
                Ok(Self {
                    denoising: $crate::handle::Handle::new("the denoising loop", denoising.map_err($error)?),
                    model: model.0.handle.clone(),
                    generator: generator.0.clone(),
                })
            }

            #[$bind]
            pub async fn step(&self) -> $Result<u32> {
                let (denoising, model) = (self.denoising.clone(), self.model.clone());
                let generator = self.generator.clone();
                let step = async move || $crate::bindings::support::denoise(&denoising, &model, &generator).await;
                $crate::handle::run(step).await.map_err($error)
            }

            #[$bind]
            pub async fn sample(&self) -> $Result<$Floats> {
                let denoising = self.denoising.clone();
                let sample = async move || denoising.with(async |denoising| Ok(denoising.sample().to_vec())).await;
                let values = $crate::handle::run(sample).await.map_err($error)?;
                Ok(values.into())
            }

            #[$bind]
            pub fn dispose(&self) {
                self.denoising.dispose();
            }
        }
    };
}
