/** The page of a server, or of a folder of files: `semlens export` marks the latter. */

import { Files } from "./data/files";
import { addressBar } from "./data/place";
import { Server } from "./data/transport";
import { mount } from "./mount";

const files = document.querySelector('meta[name="semlens-site"]') !== null;
mount(document.getElementById("app")!, files ? new Files() : new Server(), addressBar());
