pub struct Batch {
    pub size: usize,
    pub seq_len: usize,
    pub input_ids: Vec<i32>,
    pub input_mask: Vec<i32>,
    pub segment_ids: Vec<i32>,
    pub start: Vec<i32>,
    pub end: Vec<i32>,
    pub is_impossible: Vec<f32>,
    pub features: Vec<usize>,
    pub task: Vec<usize>,
}
impl Batch { pub fn tokens(&self) -> usize { 0 } }
pub struct TrainingBatches<'a>(&'a ());
impl TrainingBatches<'_> { pub fn batch(&self, _: u64) -> Batch { todo!() } }
