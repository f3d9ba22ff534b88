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
 * A backup whose id is known before it begins.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

defined('MOODLE_INTERNAL') || die();

global $CFG;
require_once($CFG->dirroot . '/backup/util/includes/backup_includes.php');

/**
 * Moodle names the temporary folder, the log and the controller's row of a backup after a random id.
 *
 * Here it is the duplicateid, so that everything can be found again after the process was killed, at whatever moment.
 */
class backup_process extends \backup_controller {
    /**
     * Constructor.
     *
     * @param string $presetid id of the backup
     * @param int $courseid
     * @param int $userid
     */
    public function __construct(
        /** @var string id of the backup */
        private string $presetid,
        int $courseid,
        int $userid
    ) {
        parent::__construct(
            \backup::TYPE_1COURSE,
            $courseid,
            \backup::FORMAT_MOODLE,
            \backup::INTERACTIVE_NO,
            \backup::MODE_SAMESITE,
            $userid
        );
    }

    /**
     * Takes the preset id instead of a random one.
     */
    protected function calculate_backupid() {
        $this->backupid = $this->presetid;
    }
}
