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
 * A restore whose id is known before it begins.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

defined('MOODLE_INTERNAL') || die();

global $CFG;
require_once($CFG->dirroot . '/backup/util/includes/restore_includes.php');

/**
 * Its id is made of the duplicateid, so that its log and its row can be found again, see {@see backup_process}.
 */
class restore_process extends \restore_controller {
    /**
     * Constructor.
     *
     * @param string $duplicateid
     * @param int $courseid the new course
     * @param int $userid
     */
    public function __construct(
        /** @var string id of the duplication */
        private string $duplicateid,
        int $courseid,
        int $userid
    ) {
        parent::__construct(
            $duplicateid,
            $courseid,
            \backup::INTERACTIVE_NO,
            \backup::MODE_SAMESITE,
            $userid,
            \backup::TARGET_NEW_COURSE
        );
    }

    /**
     * The id of the restore that belongs to a duplication.
     *
     * @param string $duplicateid
     * @return string
     */
    public static function id_of(string $duplicateid): string {
        return md5('restore-' . $duplicateid);
    }

    /**
     * Takes the id of the duplication's restore instead of a random one.
     */
    protected function calculate_restoreid() {
        $this->restoreid = self::id_of($this->duplicateid);
    }
}
