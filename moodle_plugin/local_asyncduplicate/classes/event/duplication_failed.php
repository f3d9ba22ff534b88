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
 * Event: A duplication failed or was cancelled.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\event;

/**
 * A duplication failed or was cancelled.
 */
class duplication_failed extends duplication_event {
    /**
     * Name of the event.
     *
     * @return string
     */
    public static function get_name() {
        return get_string('eventduplicationfailed', 'local_asyncduplicate');
    }

    /**
     * What happened.
     *
     * @return string
     */
    public function get_description() {
        return $this->describe('failed');
    }

    /**
     * What kind of event it is.
     *
     * @return string
     */
    protected function kind(): string {
        return 'u';
    }
}
