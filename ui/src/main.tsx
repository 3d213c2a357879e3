import { render } from "preact";
import { App, applyTheme } from "./app";
import "./style.css";

applyTheme();
const place = document.getElementById("app");
if (place) render(<App />, place);
