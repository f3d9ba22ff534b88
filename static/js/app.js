// The one script of every page. Each module listens on the document, so that whatever htmx swaps in works too,
// and each leaves a page without scripts whole: everything here is a comfort on top of links and forms.
import "./categories.js";
import "./copying.js";
import "./dialogs.js";
import "./options.js";
import "./picker.js";
import "./polling.js";
import "./presets.js";
import "./suggestions.js";
import "./ticks.js";
import "./times.js";
import "./toasts.js";
