//! HTTP against the real server: [`edge`] what comes before a read (limits, tokens, problems, hostile
//! clients), [`reads`], [`events`], [`commands`] and [`dead_letters`] the routes on the embedded log and RocksDB, [`openapi`] the document.

mod commands;
mod dead_letters;
mod edge;
mod events;
mod openapi;
mod pressure;
mod promises;
mod reads;
mod tokens;
