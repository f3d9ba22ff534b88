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
 * Short names and idnumbers that are free.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use moodle_exception;

/**
 * Moodle has no unique key on short names and idnumbers: whoever gives one has to look first.
 */
class names {
    /**
     * Requires that no course but the given one has the short name or the idnumber.
     *
     * @param request $request
     * @param int $courseid course that may have them, or 0
     * @throws moodle_exception shortnametaken, courseidnumbertaken
     */
    public static function require_free(request $request, int $courseid = 0): void {
        if ($taken = self::courses_with('shortname', $request->shortname, $courseid)) {
            throw new moodle_exception('shortnametaken', '', '', $taken);
        }
        if ($request->idnumber !== '' && $taken = self::courses_with('idnumber', $request->idnumber, $courseid)) {
            throw new moodle_exception('courseidnumbertaken', '', '', $taken);
        }
    }

    /**
     * Full names of the courses that have a value in a field, whatever its case.
     *
     * @param string $field
     * @param string $value
     * @param int $except course that does not count
     * @return string
     */
    private static function courses_with(string $field, string $value, int $except): string {
        global $DB;
        $where = $DB->sql_equal($field, ':value', false) . ' AND id <> :except';
        return implode(', ', $DB->get_fieldset_select('course', 'fullname', $where, ['value' => $value, 'except' => $except]));
    }
}
