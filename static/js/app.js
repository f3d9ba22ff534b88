// The script of every page. Each module listens on the document, so that it also works for elements that htmx adds. Links and
// forms work without scripts; the modules only add convenience.
import "./chosen_in_view.js";
import "./copying.js";
import "./dialogs.js";
import "./expiring_forms.js";
import "./options.js";
import "./picker.js";
import "./polling.js";
import "./presets.js";
import "./shortcuts.js";
import "./suggestions.js";
import "./tab.js";
import "./ticks.js";
import "./times.js";
import "./toasts.js";
