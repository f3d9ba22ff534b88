<?php
// This file is part of Moodle - https://moodle.org/
//
// Moodle is free software: you can redistribute it and/or modify
// it under the terms of the GNU General Public License as published by
// the Free Software Foundation, either version 3 of the License, or
// (at your option) any later version.
//
// Moodle is distributed in the hope that it will be useful,
// but WITHOUT ANY WARRANTY; without even the implied warranty of
// MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
// GNU General Public License for more details.
//
// You should have received a copy of the GNU General Public License
// along with Moodle.  If not, see <https://www.gnu.org/licenses/>.

/**
 * The scheduled task that cleans up.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\task;

use core\task\scheduled_task;
use local_asyncduplicate\local\reaper;

/**
 * Ends duplications whose process died, and deletes old rows.
 */
class reap extends scheduled_task {
    /**
     * Name for administrators.
     *
     * @return string
     */
    public function get_name() {
        return get_string('taskreap', 'local_asyncduplicate');
    }

    /**
     * Does it.
     */
    public function execute() {
        (new reaper())->run();
    }
}
