use std::path::Path;

/// What a person at a terminal wants to know first.
pub struct Banner<'a> {
    pub url: &'a str,
    pub log: &'a str,
    pub data_dir: &'a Path,
    pub partitions: u16,
}

impl Banner<'_> {
    pub fn text(&self) -> String {
        format!(
            "inventory-store {version}\n\
             \x20 address     {url}\n\
             \x20 log         {log}\n\
             \x20 data        {data}\n\
             \x20 partitions  {partitions}\n\
             \x20 try         inventory-store get SKU --url {url}\n\
             \x20 Ctrl-C stops it, everything committed.\n",
            version = env!("CARGO_PKG_VERSION"),
            url = self.url,
            log = self.log,
            data = self.data_dir.display(),
            partitions = self.partitions,
        )
    }
}
